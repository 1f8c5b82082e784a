"""Executions driven for real, without network: one import for tests that need one in a certain state."""

from executions.tests.pretend_worker import Answer, Script, Scripted, asking, backlog, document, drive, question, valid

__all__ = ["Answer", "Script", "Scripted", "asking", "backlog", "document", "drive", "question", "valid"]
