-- warehouse.changed_users
-- Grain: one row per user (user_id).
-- Rerun: whole; follows from changed_user_days.
-- Why:   tables with a row per user recompute these users.

delete from {{ this }};

insert into {{ this }} (user_id)
select distinct user_id
from {{ warehouse }}.changed_user_days
order by user_id;

analyze {{ this }};
