-- warehouse.changed_user_days
-- Grain: one row per user and day (user_id, event_date).
-- Rerun: whole; follows from changed_events.
-- Why:   a user's day is recomputed in full, so nothing has to be added up or taken back.

delete from {{ this }};

insert into {{ this }} (user_id, event_date)
select distinct
    changed.user_id, changed.event_date
from {{ warehouse }}.changed_events as changed
order by changed.user_id, changed.event_date;

analyze {{ this }};
