-- warehouse.changed_user_days
-- Grain: one row per user and day (user_id, event_date).
-- Rerun: whole; the same runs of the pipeline give the same rows. What the last day was before them
--        is kept in warehouse.changed_user_days_basis.
-- Why:   a user's day is always recomputed in full, so no sum has to be corrected. An event that
--        came before its day counts from that day on: when the last day moves, forwards or back,
--        the early events that it passes begin or cease to count, though their rows have not
--        changed.

delete from {{ this }};

-- Waived: union, as early events are few.
insert into {{ this }} (user_id, event_date)
select distinct
    user_id, event_date
from {{ warehouse }}.changed_events
{{ incremental }} union
{{ incremental }} select early.user_id, early.event_date
{{ incremental }} from {{ warehouse }}.early_events as early
{{ incremental }} where (early.event_date <= (select last_day from {{ warehouse }}.last_day))
{{ incremental }}     is distinct from (
{{ incremental }}         early.event_date <= (
{{ incremental }}             select last_day from {{ state }}
{{ incremental }}             where through_run_id = {{ after.event_stream }}
{{ incremental }}         )
{{ incremental }}     )
order by user_id, event_date;

delete from {{ state }}
where through_run_id <> {{ after.event_stream }};

insert into {{ state }} (through_run_id, last_day)
select
    {{ through.event_stream }} as through_run_id,
    last_day
from {{ warehouse }}.last_day
where {{ through.event_stream }} not in (select through_run_id from {{ state }});

analyze {{ this }};
