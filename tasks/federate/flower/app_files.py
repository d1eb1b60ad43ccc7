"""The app that Flower wants to be sent: it only names our own code, which is installed on both sides."""

FOLDER = "folder"
"""Key of the run's folder in the run's configuration."""
NAME = "tidemill_federation"

FILES = {
    "pyproject.toml": f"""[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "tidemill"
version = "1.0.0"
description = "The rounds of a Tidemill federation"
license = "Apache-2.0"
dependencies = ["flwr>=1.32.1"]

[tool.hatch.build.targets.wheel]
packages = ["."]

[tool.flwr.app]
publisher = "tidemill"

[tool.flwr.app.components]
serverapp = "{NAME}.server:app"
clientapp = "{NAME}.client:app"

[tool.flwr.app.config]
{FOLDER} = ""
""",
    f"{NAME}/__init__.py": '"""A federation."""\n',
    f"{NAME}/server.py": "from tasks.federate.flower.server import app as made\n\napp = made()\n",
    f"{NAME}/client.py": "from tasks.federate.flower.client import app as made\n\napp = made()\n",
}
