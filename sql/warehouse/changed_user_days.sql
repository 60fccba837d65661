-- warehouse.changed_user_days
-- Grain: one row per user and day (user_id, event_date).
-- Rerun: whole; follows from changed_events, and from the last day being another one than in
--        warehouse.changed_user_days_basis.
-- Why:   a user's day is recomputed in full, so nothing has to be added up or taken back. An event
--        that came before its day counts from that day on: when the last day moves, either way,
--        such events on the way come or go, though nobody touched them.

delete from {{ this }};

insert into {{ this }} (user_id, event_date)
select distinct
    user_id, event_date
from {{ warehouse }}.changed_events
{{ incremental }} union
{{ incremental }} select early.user_id, early.event_date
{{ incremental }} from {{ warehouse }}.early_events as early
{{ incremental }} cross join (
{{ incremental }}     select
{{ incremental }}         coalesce(max(before.last_day), '-infinity') as old_day,
{{ incremental }}         coalesce(max(now.last_day), '-infinity') as new_day
{{ incremental }}     from {{ warehouse }}.last_day as now
{{ incremental }}     full join {{ state }} as before using (last_day)
{{ incremental }} ) as days
{{ incremental }} where early.event_date > least(old_day, new_day)
{{ incremental }}     and early.event_date <= greatest(old_day, new_day)
order by user_id, event_date;

delete from {{ state }};

insert into {{ state }} (last_day)
select last_day
from {{ warehouse }}.last_day;

analyze {{ this }};
