-- warehouse.agg_user_periods
-- Grain: one row per week or month and user (grain, period_start, user_id).
-- Rerun: changed keys; recomputes the periods of users in the change set, other rows stay.
-- Why:   active users of a period are its rows here.

delete from {{ this }}
{{ incremental }} where (grain, period_start, user_id) in (
{{ incremental }}     select
{{ incremental }}         grains.grain,
{{ incremental }}         date_trunc(grains.grain, changed.event_date::timestamp)::date as period_start,
{{ incremental }}         changed.user_id
{{ incremental }}     from {{ warehouse }}.changed_events as changed
{{ incremental }}     cross join (values ('week'), ('month')) as grains (grain)
{{ incremental }} )
;

insert into {{ this }} (grain, period_start, user_id)
select distinct
    grains.grain,
    date_trunc(grains.grain, daily.event_date::timestamp)::date as period_start,
    daily.user_id
from {{ warehouse }}.agg_user_daily_engagement as daily
cross join (values ('week'), ('month')) as grains (grain)
{{ incremental }} inner join (
{{ incremental }}     select distinct user_id, event_date from {{ warehouse }}.changed_events
{{ incremental }} ) as changed
{{ incremental }}     on
{{ incremental }}         changed.user_id = daily.user_id
{{ incremental }}         and date_trunc(grains.grain, changed.event_date::timestamp)
{{ incremental }}         = date_trunc(grains.grain, daily.event_date::timestamp)
;
