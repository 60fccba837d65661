-- Who may read the reports: a group that cannot log in, for the logins of BI tools to be put into.
-- Roles belong to all databases of a server, so it is named after this one.
-- Only `schema apply --roles` runs this.

do $roles$
declare
    reader constant name := current_database() || '_reporting_reader';
begin
    if not exists (select from pg_roles where rolname = reader) then
        begin
            execute format('create role %I nologin', reader);
        exception
            when insufficient_privilege then
                raise exception '% may not create roles, and the role % is not there',
                    current_user, reader
                using
                    errcode = 'insufficient_privilege',
                    hint = format('somebody who may: create role %I nologin; then again', reader);
        end;
    end if;

    execute format('grant usage on schema {{ reporting }} to %I', reader);
    execute format('grant select on all tables in schema {{ reporting }} to %I', reader);
    -- Tables to come, and those that are dropped and made anew.
    execute format(
        'alter default privileges in schema {{ reporting }} grant select on tables to %I', reader
    );
end
$roles$;
