-- Months of replicas that are in files; the table itself comes with schema/orchestrator.sql.

do $$
begin
    if
        to_regclass('orchestrator.archived_months') is not null
        and not exists (
            select
            from pg_attribute as columns
            where
                columns.attrelid = to_regclass('orchestrator.archived_months')
                and columns.attname = 'run_ids'
        )
    then
        raise exception 'orchestrator.archived_months is there already, and not ours'
            using hint = 'alter table orchestrator.archived_months rename to a name that is free';
    end if;
end;
$$;
