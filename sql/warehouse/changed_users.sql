-- warehouse.changed_users
-- Grain: one row per user (user_id).
-- Rerun: whole; follows from changed_user_days.
-- Why:   what is known of a user in all, and not by day, is recomputed of these.

delete from {{ this }};

insert into {{ this }} (user_id)
select distinct user_id
from {{ warehouse }}.changed_user_days
order by user_id;

analyze {{ this }};
