-- reporting.rpt_active_users
-- Grain: one row per day (date_day).
-- Rerun: changed keys; recomputes the days from the first changed one to 29 days after the last.
-- Why:   a user's active day opens a window, which closes 7 (30) days later or when the next active
--        day opens another: a running sum of what opens and closes is the distinct count.

delete from {{ this }}
{{ incremental }} where
{{ incremental }}     date_day between (select min(event_date) from {{ warehouse }}.changed_events)
{{ incremental }}     and (select max(event_date) + 29 from {{ warehouse }}.changed_events)
{{ incremental }}     or date_day not in (select dates.date_day from {{ warehouse }}.dim_dates as dates)
;

insert into {{ this }} (date_day, dau, wau, mau)
-- From here to there, with the days without events that lie between known and changed ones.
with span as (
    select
        min(date_day) as first_day,
        max(date_day) as last_day
    from {{ warehouse }}.dim_dates
    {{ incremental }} where date_day not in (select known.date_day from {{ this }} as known)
),

user_days as (
    select
        event_date,
        lead(event_date) over (partition by user_id order by event_date) as next_date
    from {{ warehouse }}.agg_user_daily_engagement
    {{ incremental }} where
    {{ incremental }}     event_date between (select first_day - 30 from span)
    {{ incremental }}     and (select last_day from span)
),

changes as (
    select event_date as date_day, count(*) as dau, count(*) as wau, count(*) as mau
    from user_days
    group by event_date
    union all
    select least(event_date + 7, next_date) as closed, 0 as dau, -count(*) as wau, 0 as mau
    from user_days
    group by closed
    union all
    select least(event_date + 30, next_date) as closed, 0 as dau, 0 as wau, -count(*) as mau
    from user_days
    group by closed
),

days as (
    select
        date_day,
        sum(sum(dau)) over this_day as dau,
        sum(sum(wau)) over until_day as wau,
        sum(sum(mau)) over until_day as mau
    from (
        select date_day, dau, wau, mau from changes
        union all
        select date_day, 0 as dau, 0 as wau, 0 as mau from {{ warehouse }}.dim_dates
    ) as changes_of_all_days
    group by date_day
    window this_day as (partition by date_day), until_day as (order by date_day)
)

select date_day, dau, wau, mau
from days
inner join {{ warehouse }}.dim_dates using (date_day)
{{ incremental }} where date_day not in (select known.date_day from {{ this }} as known)
;
