"""What can go wrong with workflows.

WorkflowError
├── WorkflowNotFound          there is no workflow of that id
│   └── RevisionNotFound      the workflow has no such revision
├── InvalidWorkflow           a file that does not load; carries its problems
├── BadPackage                a directory that is no workflow package
└── BadArchive                an uploaded file that is not unpacked
"""

from __future__ import annotations

from workflows.problems import Problem, printable


class WorkflowError(Exception):
    """The base of everything raised here. ``code`` is stable, the message is for people."""

    code = "WORKFLOW_ERROR"


class WorkflowNotFound(WorkflowError):
    """There is no workflow of that id."""

    code = "WORKFLOW_NOT_FOUND"

    def __init__(self, workflow_id: str) -> None:
        self.workflow_id = workflow_id
        super().__init__(f"There is no workflow {printable(workflow_id, 120)!r}.")


class RevisionNotFound(WorkflowNotFound):
    """The workflow exists, but not in that revision."""

    code = "REVISION_NOT_FOUND"

    def __init__(self, workflow_id: str, revision: str) -> None:
        super().__init__(workflow_id)
        self.revision = revision
        self.args = (f"The workflow {printable(workflow_id, 120)!r} has no revision {printable(revision, 120)!r}.",)


class InvalidWorkflow(WorkflowError):
    """A workflow file has errors; ``problems`` are all of them, warnings too."""

    code = "INVALID_WORKFLOW"

    def __init__(self, path: str, problems: tuple[Problem, ...]) -> None:
        self.path = path
        self.problems = problems
        count = sum(problem.severity == "error" for problem in problems)
        super().__init__(f"{path} has {count} error{'' if count == 1 else 's'}.")


class BadPackage(WorkflowError):
    """A directory is no workflow package; the message says why."""

    code = "BAD_PACKAGE"


class BadArchive(WorkflowError):
    """An uploaded file is no zip file, or one that is not unpacked; the message says why."""

    code = "BAD_ARCHIVE"
