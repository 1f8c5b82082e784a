"""Allowances are written by every request and worth nothing after a crash, so they are kept out of the WAL.

Half of each page is left free: then a row's new version finds a place beside the old one, and no index changes.
"""

from __future__ import annotations

from django.db import migrations

FORWARD = """
ALTER TABLE combine_allowance SET UNLOGGED;
ALTER TABLE combine_allowance SET (fillfactor = 50);
"""
BACKWARD = """
ALTER TABLE combine_allowance RESET (fillfactor);
ALTER TABLE combine_allowance SET LOGGED;
"""


class Migration(migrations.Migration):
    dependencies = (("combine", "0001_initial"),)

    operations = (migrations.RunSQL(FORWARD, BACKWARD),)
