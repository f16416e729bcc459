"""HCL text is split into blocks and attributes as Terraform does."""

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
    statements = list(hcl.statements(TEXT))
    assert [(statement.keyword, statement.labels) for statement in statements] == [
        ("terraform", ()),
        ("single", ()),
        ("resource", ("aws_s3_object", "a")),
        ("module", ("part",)),
        ("locals", ()),
    ]
    assert statements[1].string() == "line" and not statements[1].is_block
    assert "unbalanced" in statements[2].text
    assert [statement.keyword for statement in statements[2].children()] == ["content", "policy", "list"]
    assert [statement.string() for statement in statements[3].children()] == ["./part"]


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
    statements = [
        statement.keyword for statement in hcl.statements(f'a = "{quoted}"\nb {{\n  c = "{quoted}"\n}}\n')
    ]
    assert statements == ["a", "b"]
