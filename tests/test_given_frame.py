import torch
from PIL import Image, ImageDraw
from torchvision.transforms.functional import pil_to_tensor

from layoutdeit.engines.base import Detections
from layoutdeit.engines.given_frame import FURTHER_LOOK, boxes_in_batch_frame, detections_in_given_frame


def given(boxes: list[list[float]], image: torch.Tensor, scale_xy=(0.5, 0.25), *, fit_to_ink: bool = False):
    """Detections of boxes in the batch's frame."""
    corners = torch.tensor(boxes).reshape(-1, 4)
    scores = torch.linspace(0.9, 0.1, len(corners))
    found = Detections(corners, torch.ones(len(corners), dtype=torch.int64), scores)
    return detections_in_given_frame([(found, scale_xy)], image, fit_to_ink=fit_to_ink)


def test_boxes_round_trip_between_frames():
    boxes = torch.tensor([[10.0, 20, 50, 61], [0, 0, 90, 120]])
    back = given(boxes_in_batch_frame(boxes, (0.5, 0.25)).tolist(), torch.ones(3, 120, 90))
    torch.testing.assert_close(back.boxes, boxes)


def test_boxes_are_cut_to_the_picture_and_empty_ones_dropped():
    found = given([[-5.0, 3, 300, 400], [50, 3, 60, 40], [4, 4, 8, 8]], torch.ones(3, 120, 90))
    assert found.boxes.tolist() == [[0, 12, 90, 120], [8, 16, 16, 32]]  # the second lies right of the picture
    assert found.scores.tolist() == torch.tensor([0.9, 0.1]).tolist() and found.labels.tolist() == [1, 1]


def test_an_empty_page_stays_empty():
    for fit_to_ink in (False, True):
        found = given([], torch.ones(3, 120, 90), fit_to_ink=fit_to_ink)
        assert found.boxes.shape == (0, 4) and found.scores.shape == found.labels.shape == (0,)


def printed_page() -> torch.Tensor:
    """Three lines of print from 30 to 147 px, the first at 40."""
    page = Image.new("RGB", (200, 160), "white")
    draw = ImageDraw.Draw(page)
    for top in (40, 52, 64):
        for x in range(30, 150, 6):
            draw.rectangle([x, top, x + 3, top + 6], fill="black")
    return pil_to_tensor(page).float() / 255


def test_boxes_move_to_the_ink_when_asked():
    image = printed_page()
    near = [[26.0, 36, 158, 76]]
    assert given(near, image, (1.0, 1.0)).boxes.tolist() == near
    box = given(near, image, (1.0, 1.0), fit_to_ink=True).boxes[0]
    assert box[2] < 156 and box[0] > 27  # ink ends at 147 and starts at 30


def test_looks_that_agree_are_one_box_and_a_further_look_alone_counts_less():
    image = printed_page()

    def look(box: list[float], score: float, scale: float) -> tuple[Detections, tuple[float, float]]:
        boxes = scale * torch.tensor([box])
        return Detections(boxes, torch.ones(1, dtype=torch.int64), torch.tensor([score])), (scale, scale)

    first = look([26, 36, 158, 76], 0.5, 1.0)
    both = detections_in_given_frame([first, look([32, 38, 150, 72], 0.5, 0.5)], image, fit_to_ink=True)
    alone = detections_in_given_frame([first], image, fit_to_ink=True)
    torch.testing.assert_close(both.boxes, alone.boxes)
    assert len(both.scores) == 1 and 0.5 < both.scores[0] < 0.75
    elsewhere = look([20, 100, 60, 110], 0.8, 0.5)
    two = detections_in_given_frame([first, elsewhere], image, fit_to_ink=False)
    torch.testing.assert_close(two.scores, torch.tensor([0.5, FURTHER_LOOK * 0.8]))
    torch.testing.assert_close(two.boxes[1], torch.tensor([20.0, 100, 60, 110]))
