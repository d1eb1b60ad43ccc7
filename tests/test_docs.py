"""What the pages say is what the code does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def tracked() -> list[str]:
    """The files of the repository."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return listed.stdout.splitlines()


def test_the_command_reference_is_what_the_command_line_says() -> None:
    command = [sys.executable, "-m", "typer", "flows.cli", "utils", "docs", "--name", "tidemill"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert (ROOT / "docs" / "commands.md").read_text().strip() == said.stdout.strip(), "run: make docs"


def test_the_readme_s_tree_names_every_folder_and_nothing_else() -> None:
    tree = (ROOT / "README.md").read_text().partition("## The tree")[2].split("```")[1]
    named = {line.split()[0].rstrip("/") for line in tree.strip().splitlines() if not line.startswith(" ")}
    folders = {file.partition("/")[0] for file in tracked() if "/" in file and not file.startswith(".")}
    assert named - {"data", ".tidemill", "dvc.yaml"} == folders


def test_the_graph_on_the_page_is_the_graph_of_dvc() -> None:
    page = (ROOT / "docs" / "lifecycle.md").read_text()
    drawn = set(re.findall(r"^\t(\w+) --> (\w+)$", page, re.MULTILINE))
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    needs = {name: [dep.split("/")[2] for dep in stage["do"].get("deps", [])] for name, stage in stages.items()}
    assert drawn == {(dep, name) for name, deps in needs.items() for dep in deps if dep in stages} - {
        ("fingerprint", name) for name in stages
    }


def test_the_readme_links_to_every_page_by_its_question() -> None:
    readme = (ROOT / "README.md").read_text()
    questions = {page: page.read_text().splitlines()[0].removeprefix("# ") for page in PAGES[1:]}
    wanted = [f"- [{question}](docs/{page.name})" for page, question in questions.items() if page.name != "commands.md"]
    assert [line for line in wanted if line not in readme] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_links_to_is_there(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_shows_exists(page: Path) -> None:
    reference = (ROOT / "docs" / "commands.md").read_text()
    shown = re.findall(r"(?:^|`)tidemill ([a-z]+)", page.read_text(), re.MULTILINE)
    assert [word for word in shown if f"## `tidemill {word}`" not in reference] == []
