-- Four roles that cannot log in, to be granted to those that can: the owner of the sources, who
-- applies the schema; the runner of ingests and builds; the loader of files; and the reader of the
-- reports. Roles belong to all databases of a server, so these are named after this one.
-- docs/security.md says what each may do. Only `schema apply --roles` runs this.

do $roles$
declare
    owner constant text := current_database() || '_warehouse_owner';
    runner constant text := current_database() || '_warehouse_runner';
    loader constant text := current_database() || '_source_loader';
    reader constant text := current_database() || '_reporting_reader';
    is_tried boolean := false;
    wanted text[];
    statement text;
begin
    if octet_length(owner) > 63 or octet_length(runner) > 63 then
        raise exception 'the name of this database is too long to name roles after it'
        using
            errcode = 'name_too_long',
            hint = 'give it a name of 46 bytes at most';
    end if;

    -- The roles, memberships and database privileges that are still missing.
    loop
        select array_agg(steps.statement order by steps.place, steps.statement)
        into wanted
        from (
            select
                1 as place,
                format('create role %I nologin', names.name) as statement
            from (values (owner), (runner), (loader), (reader)) as names (name)
            where not exists (select from pg_roles where rolname = names.name)
            union all
            select
                2 as place,
                format('grant %I to %I', runner, owner) as statement
            where pg_has_role(
                (select oid from pg_roles where rolname = owner),
                (select oid from pg_roles where rolname = runner),
                'member'
            ) is not true
            union all
            -- Whoever applies the schema acts as its owner from now on.
            select
                3 as place,
                format('grant %I to %I', owner, current_user) as statement
            where
                pg_has_role((select oid from pg_roles where rolname = owner), 'usage') is not true
                or (
                    current_setting('server_version_num')::integer >= 160000
                    and pg_has_role((select oid from pg_roles where rolname = owner), 'set')
                    is not true
                )
            union all
            select
                4 as place,
                format(
                    'grant %s on database %I to %I',
                    string_agg(needs.privilege, ', ' order by needs.privilege),
                    current_database(),
                    needs.name
                ) as statement
            from (
                values
                (runner, 'connect'), (runner, 'create'), (runner, 'temporary'),
                (loader, 'connect'), (loader, 'temporary'), (reader, 'connect')
            ) as needs (name, privilege)
            left join pg_roles as roles on roles.rolname = needs.name
            where
                not coalesce(
                    has_database_privilege(roles.oid, current_database(), needs.privilege),
                    has_database_privilege('public', current_database(), needs.privilege)
                )
            group by needs.name
        ) as steps;
        exit when wanted is null;

        begin
            if is_tried then
                raise insufficient_privilege;
            end if;
            foreach statement in array wanted loop
                execute statement;
            end loop;
        exception
            when insufficient_privilege then
                raise exception '% may not create roles, or not grant them what they need',
                    current_user
                using
                    errcode = 'insufficient_privilege',
                    hint = format(
                        'somebody who may: %s; then again', array_to_string(wanted, '; ')
                    );
        end;
        is_tried := true;
    end loop;

    -- To see the transactions of other sessions, as exact promises require. Few may grant it; where
    -- it is missing, `pipelines show` says so.
    if not pg_has_role(runner, 'pg_read_all_stats', 'usage') then
        begin
            execute format('grant pg_read_all_stats to %I', runner);
        exception
            when insufficient_privilege then
                null;
        end;
    end if;

    execute format('grant usage on schema {{ reporting }} to %I', reader);
    execute format('grant select on all tables in schema {{ reporting }} to %I', reader);
    -- Future tables, and those that are dropped and created again: by the runner, or by whoever
    -- applies this, and may build too.
    foreach statement in array array[runner, current_user] loop
        execute format(
            'alter default privileges for role %I in schema {{ reporting }}'
            ' grant select on tables to %I',
            statement,
            reader
        );
    end loop;

    -- What `load` reads, and where it records loads and rejects.
    execute format('grant usage on schema orchestrator to %I', loader);
    execute format(
        'grant select on orchestrator.schema_version, orchestrator.pipeline_definitions to %I',
        loader
    );
    execute format(
        'grant select (pipeline_id, kind, status, high) on orchestrator.runs to %I', loader
    );
    execute format('grant select, insert, update on orchestrator.loaded_files to %I', loader);
    execute format('grant select, insert, delete on orchestrator.load_rejects to %I', loader);
end
$roles$;
