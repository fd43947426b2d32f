import json

import pytest

from layoutdeit.coco_json import AnnotationRow, ImageRow, Rle, read_rows

ROWS = [
    {"id": 1, "image_id": 7, "category_id": 1, "bbox": [1, 2, 3.5, 4], "segmentation": [[1, 2, 3.5, 2, 3, 4]]},
    {"id": 2, "image_id": 7, "category_id": 2, "bbox": None, "iscrowd": 1},
    {"id": 3, "image_id": 8, "category_id": 5, "segmentation": {"size": [2, 3], "counts": [1, 2, 3]}, "bbox": []},
    {"id": 4, "image_id": 8, "category_id": 5, "segmentation": {"size": [2, 3], "counts": 'a},{"\\'}},
]
IMAGES = [{"id": i, "file_name": f'p}},{{"{i}é.jpg', "width": 3, "height": 2, "extra": [{"a": 1}]} for i in (7, 8)]
ODD = {"info": {"text": 'a ] } "\\" {', "list": [[1], {}]}, "licenses": [], "number": -1.5e3, "nothing": None}


def read(path, **options):
    found = {"images": [], "annotations": [], "categories": []}
    for key, rows in read_rows(path, **options):
        found[key].extend(rows)
    return found


def expected_rows():
    keys = AnnotationRow.__struct_fields__
    rows = [AnnotationRow(**{key: row[key] for key in keys if key in row}) for row in ROWS]
    for row in rows:
        if isinstance(row.segmentation, dict):
            row.segmentation = Rle(**{**row.segmentation, "size": tuple(row.segmentation["size"])})
    return rows


@pytest.mark.parametrize("block_bytes", [1, 7, 64, 200, 1 << 20])
@pytest.mark.parametrize("order", ["images annotations categories", "categories annotations images"])
@pytest.mark.parametrize("indent", [None, 2])
def test_rows_come_out_whatever_the_blocks_and_the_order(tmp_path, block_bytes, order, indent):
    lists = {"images": IMAGES, "annotations": ROWS, "categories": [{"id": 1, "name": "text", "supercategory": ""}]}
    content = {"info": ODD["info"], **{key: lists[key] for key in order.split()}, **ODD}
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content, indent=indent, ensure_ascii=False), encoding="utf-8")
    found = read(path, block_bytes=block_bytes)
    assert found["images"] == [ImageRow(i["id"], i["file_name"], 3, 2) for i in IMAGES]
    assert found["annotations"] == expected_rows()
    assert [row.name for row in found["categories"]] == ["text"]


def test_empty_lists_give_no_rows(tmp_path):
    (tmp_path / "a.json").write_text(' {"images":[ ],"annotations" : []}\n')
    assert not any(read(tmp_path / "a.json").values())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[1]", r"expected '\{'"),
        ("", "ends too early"),
        ('{"images": [], "annotations": [{"image_id": 1', "ends too early"),
        ('{"images": []}', 'no key "annotations"'),
        ('{"images": [{"id": 1}], "annotations": []}', "file_name"),
        ('{"images": [{"id": "x", "file_name": "a", "width": 1, "height": 1}], "annotations": []}', "Expected `int`"),
        (f'{{"images": [{{"id": {2**70}, "file_name": "a", "width": 1, "height": 1}}]}}', "nteger|int"),
        ('{"images": null, "annotations": []}', r"expected '\['"),
        ('{"images": [], "annotations": [{"image_id": 1, "category_id": 2,}]}', "malformed"),
        ('{images: [], "annotations": []}', "expected a key"),
    ],
)
def test_other_files_are_refused_with_the_reason_and_the_place(tmp_path, text, reason):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=f"not a COCO annotation file: .*{reason}.*near byte"):
        read(tmp_path / "a.json", block_bytes=16)
