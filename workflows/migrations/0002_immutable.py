"""Revisions are immutable: what ran with one must be what it says today."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION workflows_workflowrevision_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a workflow revision never changes (%)', OLD.digest USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER workflows_workflowrevision_immutable BEFORE UPDATE ON workflows_workflowrevision
    FOR EACH ROW EXECUTE FUNCTION workflows_workflowrevision_immutable();
"""

BACKWARD = """
DROP TRIGGER workflows_workflowrevision_immutable ON workflows_workflowrevision;
DROP FUNCTION workflows_workflowrevision_immutable();
"""


class Migration(migrations.Migration):
    dependencies = (("workflows", "0001_initial"),)

    operations = (migrations.RunSQL(FORWARD, BACKWARD),)
