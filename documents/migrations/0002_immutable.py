"""Versions are immutable: the database refuses what no code should ever do."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION documents_document_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a document version is never removed (%)', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    IF (NEW.id, NEW.project_id, NEW.scope_type, NEW.scope_id, NEW.document_type, NEW.version, NEW.title, NEW.summary,
        NEW.content_sha256, NEW.created_at, NEW.created_by, NEW.created_by_step, NEW.is_offline)
       IS DISTINCT FROM
       (OLD.id, OLD.project_id, OLD.scope_type, OLD.scope_id, OLD.document_type, OLD.version, OLD.title, OLD.summary,
        OLD.content_sha256, OLD.created_at, OLD.created_by, OLD.created_by_step, OLD.is_offline)
       OR NEW.execution_id IS DISTINCT FROM OLD.execution_id
       OR NEW.content IS DISTINCT FROM OLD.content THEN
        RAISE EXCEPTION 'only status and is_latest of a document version may change (%)', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER documents_document_immutable BEFORE UPDATE OR DELETE ON documents_document
    FOR EACH ROW EXECUTE FUNCTION documents_document_immutable();
"""

BACKWARD = """
DROP TRIGGER documents_document_immutable ON documents_document;
DROP FUNCTION documents_document_immutable();
"""


class Migration(migrations.Migration):
    dependencies = (("documents", "0001_initial"),)

    operations = (migrations.RunSQL(FORWARD, BACKWARD),)
