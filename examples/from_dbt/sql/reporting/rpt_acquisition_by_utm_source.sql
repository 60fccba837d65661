-- reporting.rpt_acquisition_by_utm_source
-- Grain: one row per source of users (utm_source).
-- Rerun: whole; a few rows, from one per user.
-- Why:   which sources bring users who do something.

insert into {{ this }} (utm_source, users, events, miles_earned, miles_redeemed)
select
    utm_source,
    count(users.user_id) as users,
    coalesce(sum(users.events), 0) as events,
    coalesce(sum(users.miles_earned), 0) as miles_earned,
    coalesce(sum(users.miles_redeemed), 0) as miles_redeemed
from {{ warehouse }}.dim_utm_sources
left join {{ warehouse }}.agg_user_engagement as users on users.first_utm_source = utm_source
group by utm_source;
