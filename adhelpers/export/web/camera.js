/** The camera, picture after picture, until the button is pressed again. */

import { readPixels } from "#decode.js";

const REASONS = {
  NotAllowedError: "it is not allowed here; allow it for this page in the browser, and press again",
  NotFoundError: "there is none; connect one, and press again",
  NotReadableError: "another program has it; close that, and press again",
};

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
      button.disabled = true;
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      button.textContent = "Stop the camera";
      button.disabled = false;
      await watch(stream);
    } catch (error) {
      say(`the camera: ${REASONS[error.name] ?? error.message}`, "error");
      stop();
    }
  });

  function stop() {
    for (const track of stream?.getTracks() ?? []) track.stop();
    stream = null;
    button.disabled = false;
    button.textContent = "Use the camera";
  }

  async function watch(own) {
    const video = Object.assign(document.createElement("video"), {
      srcObject: own,
      muted: true,
      playsInline: true,
    });
    await video.play();
    while (stream === own) {
      if (!own.active) throw new Error("it was taken away; connect it, and press again");
      await score(readPixels(video, video.videoWidth, video.videoHeight));
      await new Promise((resolve) => requestAnimationFrame(resolve));
    }
  }
}
