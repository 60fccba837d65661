-- warehouse.agg_periods
-- Grain: one row per day, week or month (grain, period_start).
-- Rerun: changed keys; recomputes the periods of the change set and those after them.
-- Why:   with these two counts, growth needs no look at users.

delete from {{ this }} as periods
{{ incremental }} using (
{{ incremental }}     select distinct event_date from {{ warehouse }}.changed_events
{{ incremental }} ) as changed
{{ incremental }} where
{{ incremental }}     date_trunc(periods.grain, changed.event_date::timestamp)
{{ incremental }}     in (periods.period_start, periods.period_start - ('1 ' || periods.grain)::interval)
;

insert into {{ this }} (grain, period_start, active_users, retained_users)
with periods as (
    select distinct
        grain,
        date_trunc(grain, date_day::timestamp)::date as period_start,
        (date_trunc(grain, date_day::timestamp) - ('1 ' || grain)::interval)::date as former_start
    from {{ warehouse }}.dim_dates
    cross join (values ('day'), ('week'), ('month')) as grains (grain)
)

select
    periods.grain,
    periods.period_start,
    count(*) as active_users,
    count(former.user_id) as retained_users
from periods
inner join {{ warehouse }}.active_periods as active
    on active.grain = periods.grain and active.period_start = periods.period_start
left join {{ warehouse }}.active_periods as former
    on
        former.grain = periods.grain
        and former.period_start = periods.former_start
        and former.user_id = active.user_id
{{ incremental }} where exists (
{{ incremental }}     select from (
{{ incremental }}         select distinct event_date from {{ warehouse }}.changed_events
{{ incremental }}     ) as changed
{{ incremental }}     where date_trunc(periods.grain, changed.event_date::timestamp)
{{ incremental }}         in (periods.period_start, periods.former_start)
{{ incremental }} )
group by periods.grain, periods.period_start;
