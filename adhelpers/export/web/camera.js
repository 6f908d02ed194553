/** The camera, picture after picture, until the button is pressed again. */

import { readPixels } from "#decode.js";

export function startCamera(button, score, say) {
  if (!navigator.mediaDevices?.getUserMedia) return;
  button.hidden = false;
  let stream = null;
  button.addEventListener("click", async () => {
    if (stream) {
      stop();
      return;
    }
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      button.textContent = "Stop the camera";
      await watch();
    } catch (error) {
      say(`the camera: ${error.message}`, "error");
      stop();
    }
  });

  function stop() {
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = null;
    button.textContent = "Use the camera";
  }

  async function watch() {
    const video = Object.assign(document.createElement("video"), {
      srcObject: stream,
      muted: true,
      playsInline: true,
    });
    await video.play();
    while (stream) {
      await score(readPixels(video, video.videoWidth, video.videoHeight));
      await new Promise((resolve) => requestAnimationFrame(resolve));
    }
  }
}
