"""History never changes, and what is final stays final: the database refuses it, whoever asks."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION executions_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER executions_event_append_only BEFORE UPDATE OR DELETE ON executions_event
    FOR EACH ROW EXECUTE FUNCTION executions_append_only();
CREATE TRIGGER executions_decision_append_only BEFORE UPDATE OR DELETE ON executions_decision
    FOR EACH ROW EXECUTE FUNCTION executions_append_only();
CREATE TRIGGER executions_llmcall_kept BEFORE DELETE ON executions_llmcall
    FOR EACH ROW EXECUTE FUNCTION executions_append_only();

CREATE FUNCTION executions_execution_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an execution that is % stays so (%)', OLD.status, OLD.id USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER executions_execution_final BEFORE UPDATE OF status ON executions_execution
    FOR EACH ROW WHEN (OLD.status IN ('completed', 'cancelled') AND NEW.status <> OLD.status)
    EXECUTE FUNCTION executions_execution_final();
"""

BACKWARD = """
DROP TRIGGER executions_execution_final ON executions_execution;
DROP FUNCTION executions_execution_final();
DROP TRIGGER executions_llmcall_kept ON executions_llmcall;
DROP TRIGGER executions_decision_append_only ON executions_decision;
DROP TRIGGER executions_event_append_only ON executions_event;
DROP FUNCTION executions_append_only();
"""


class Migration(migrations.Migration):
    dependencies = (("executions", "0001_initial"),)

    operations = (migrations.RunSQL(FORWARD, BACKWARD),)
