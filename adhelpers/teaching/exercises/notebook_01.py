"""Exercises of notebook 1, the data set."""

import numpy as np

from . import Question, compare


def _accuracy(found, data) -> str | None:
    expected = float(np.mean(data.test.labels))
    return compare(found, expected, "count the anomalous test images, divide by all of them")


def _repaired(found, image) -> str | None:
    return compare(found, image, "reverse the last axis, and leave height and width alone")


def _mean_share(found, shares) -> str | None:
    values = np.concatenate(list(shares.values()))
    return compare(found, float(values.mean()), "put the lists together, then take the mean")


q1 = Question(
    _accuracy,
    hints="It is right for the anomalous images and wrong for the others: the mean of the labels.",
    answer="accuracy",
    solution_code="accuracy = data.test.labels.mean()",
    praise="It knows nothing, and its accuracy is the share of anomalies in the folder.",
)
q2 = Question(
    _repaired,
    hints="A slice can run backwards: [::-1]. The channels are the last axis.",
    answer="repaired",
    solution_code="repaired = as_opencv_reads[:, :, ::-1]",
    praise="cv2.cvtColor(picture, cv2.COLOR_BGR2RGB) does the same.",
)
q3 = Question(
    _mean_share,
    hints="np.concatenate(list(shares.values())) puts the lists of all defect types together.",
    answer="mean_share",
    solution_code="mean_share = np.concatenate(list(shares.values())).mean()",
    praise="Most of an anomalous image is normal, so an average over it hides small defects.",
)
