-- failed --
-- The scripts that failed in the last build of a target, or whose checks did.
with last_build as (
    select builds.run_id
    from orchestrator.runs as builds
    where
        builds.kind in ('build', 'rebuild')
        and builds.target = %(target)s
        and builds.status <> 'skipped'
    order by builds.run_id desc
    limit 1
)

select scripts.script
from orchestrator.runs as scripts
inner join last_build on last_build.run_id = scripts.parent_run_id
where scripts.kind = 'script' and scripts.status = 'failed'
union
select results.script
from orchestrator.check_results as results
inner join last_build on last_build.run_id = results.run_id
where results.status = 'failed'
