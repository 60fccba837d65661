-- record --
-- Record the current problems: new ones begin, known ones go on, all others are over.
with problems as (
    select
        found.subject,
        found.kind,
        found.what,
        found.problem,
        found.remedy
    from jsonb_to_recordset(%(problems)s::jsonb) as found (
        subject text, kind text, what text, problem text, remedy text
    )
),

ended as (
    update orchestrator.alerts
    set over_at = now()
    where
        alerts.target = %(target)s
        and alerts.over_at is null
        and not exists (
            select from problems
            where problems.subject = alerts.subject and problems.kind = alerts.kind
        )
)

insert into orchestrator.alerts (target, subject, kind, what, problem, remedy)
select
    %(target)s,
    problems.subject,
    problems.kind,
    problems.what,
    problems.problem,
    problems.remedy
from problems
on conflict (target, subject, kind) where over_at is null do update
set
    what = excluded.what,
    problem = excluded.problem,
    remedy = excluded.remedy,
    seen_at = now()

-- waiting --
-- What a receiver has not been told: open problems, and the end of those that it was told of.
select
    alerts.alert_id,
    case when alerts.over_at is null then 'found' else 'over' end as event,
    current_database() as database,
    alerts.target,
    alerts.what,
    alerts.kind,
    alerts.problem,
    alerts.remedy,
    to_char(alerts.found_at, 'YYYY-MM-DD HH24:MI:SSTZH:TZM') as found_at,
    to_char(alerts.over_at, 'YYYY-MM-DD HH24:MI:SSTZH:TZM') as over_at
from orchestrator.alerts
where
    case
        when alerts.over_at is null then %(receiver)s <> all(alerts.told)
        else %(receiver)s = any(alerts.told) and %(receiver)s <> all(alerts.told_of_end)
    end
order by alerts.alert_id

-- delivered --
-- Record that a receiver accepted a message.
update orchestrator.alerts
set
    told = case %(event)s when 'found' then told || %(receiver)s::text else told end,
    told_of_end
    = case %(event)s when 'over' then told_of_end || %(receiver)s::text else told_of_end end
where alerts.alert_id = %(alert_id)s

-- failed --
-- Record that a receiver did not accept a message.
update orchestrator.alerts
set
    failed_attempts = failed_attempts + 1,
    last_failure = %(reason)s
where alerts.alert_id = %(alert_id)s
