"""HCL text is cut where Terraform would cut it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.terraform import hcl

TEXT = """
# A comment with "a quote and a { brace
terraform {
  backend "s3" {} // another { one
  /* and
     { more */
}
single = "line"
resource "aws_s3_object" "a" {
  content = "${jsonencode({ "key" = "}" })} and $${not a template {"
  policy  = <<-EOT
    { "unbalanced": "
    EOT
  list = [
    "a", # }
    "b",
  ]
}
module "part" { source = "./part" }
locals { x = 1 }
"""


def test_statements_have_keyword_labels_and_text() -> None:
    found = list(hcl.statements(TEXT))
    assert [(each.keyword, each.labels) for each in found] == [
        ("terraform", ()),
        ("single", ()),
        ("resource", ("aws_s3_object", "a")),
        ("module", ("part",)),
        ("locals", ()),
    ]
    assert found[1].string() == "line" and not found[1].is_block
    assert "unbalanced" in found[2].text
    assert [each.keyword for each in found[2].children()] == ["content", "policy", "list"]
    assert [each.string() for each in found[3].children()] == ["./part"]


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ('a = "x"', "x"),
        ('a = "x" # why', "x"),
        ('a = "x${y}"', None),
        ('a = "x\\n"', None),
        ("a = 1", None),
        ('a = ["x"]', None),
    ],
)
def test_only_plain_strings_are_read(attribute: str, value: str | None) -> None:
    (statement,) = hcl.statements(attribute)
    assert statement.string() == value


@given(st.text(alphabet='{}[]()"\\$%#/*<-=\n abE_', max_size=60))
def test_parsing_ends_for_any_text(text: str) -> None:
    for statement in hcl.statements(text):
        assert statement.text in text


@given(st.text())
def test_brackets_in_strings_are_ignored(inside: str) -> None:
    quoted = inside.replace("\\", "\\\\").replace('"', '\\"').replace("${", "$${").replace("%{", "%%{")
    found = [each.keyword for each in hcl.statements(f'a = "{quoted}"\nb {{\n  c = "{quoted}"\n}}\n')]
    assert found == ["a", "b"]
