-- Months of replicas that are in files; the tables themselves come with schema/orchestrator.sql.

do $$
begin
    if to_regclass('orchestrator.archived_months') is not null then
        raise exception 'orchestrator.archived_months is there already, and not ours'
            using hint = 'alter table orchestrator.archived_months rename to a name that is free';
    end if;
end;
$$;
