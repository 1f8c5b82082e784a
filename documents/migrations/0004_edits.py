"""Versions say which places people edited. That does not change either."""

from django.db import migrations, models

_FUNCTION = """
CREATE OR REPLACE FUNCTION documents_document_immutable() RETURNS trigger LANGUAGE plpgsql AS $$
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
       OR NEW.content IS DISTINCT FROM OLD.content{more} THEN
        RAISE EXCEPTION 'only status and is_latest of a document version may change (%)', OLD.id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""

FORWARD = _FUNCTION.replace("{more}", "\n       OR NEW.edits IS DISTINCT FROM OLD.edits")
BACKWARD = _FUNCTION.replace("{more}", "")


class Migration(migrations.Migration):
    dependencies = (("documents", "0003_lists"),)

    operations = (
        migrations.AddField("document", "edits", models.JSONField(blank=True, null=True)),
        migrations.RunSQL(FORWARD, BACKWARD),
    )
