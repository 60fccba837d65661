-- owner --
-- The owner of a target; whether it was built from any script of this project; and a script that it
-- was built from and that this project lacks.
select
    (
        select targets.owner
        from orchestrator.targets as targets
        where targets.target = %(target)s
    ) as owner,
    exists (
        select
        from orchestrator.built_scripts as built
        where built.target = %(target)s and built.script = any(%(scripts)s)
    ) as shares,
    (
        select min(built.script)
        from orchestrator.built_scripts as built
        where built.target = %(target)s and built.script <> all(%(scripts)s)
    ) as stranger

-- record --
-- A name, once recorded, stays until a person changes it.
insert into orchestrator.targets as targets (target, owner)
values (%(target)s, %(owner)s)
on conflict (target) do update
set
    owner = excluded.owner,
    recorded_at = excluded.recorded_at
where targets.owner is null and excluded.owner is not null
