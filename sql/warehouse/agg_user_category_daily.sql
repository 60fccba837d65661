-- warehouse.agg_user_category_daily
-- Grain: one row per user, category, day, platform, source and country
--        (user_id, transaction_category, event_date, platform, utm_source, country).
--        The category before the day, so that a user's history in a category is stored together.
-- Rerun: difference; replaces the changed days in the changed categories of users, and adds the
--        difference to warehouse.agg_category_periods. A second run finds no difference.
-- Why:   the base of all category metrics, in every slice. Distinct users of weeks and months are
--        not sums of days, so agg_category_periods counts a user in a category on the first day of
--        each day, week and month.

-- In steps:
-- 1. replace the changed days, and keep their old rows;
-- 2. take old rows (sign -1), new rows (1) and the other days of the same weeks and months (0), and
--    find the user's previous day in the category for each, before and after the change;
-- 3. a day whose previous day lies before its week is the first of the week, and counts the user:
--    add what that gives now, and subtract what it gave before, in agg_category_periods.

-- None in a full build.
create temporary table old_days as
select
    user_id, transaction_category, event_date, platform, utm_source, country,
    earned_count, redeemed_count, search_count, miles_earned, miles_redeemed
from {{ warehouse }}.changed_user_categories
inner join {{ this }} using (user_id, transaction_category)
inner join {{ warehouse }}.changed_user_days using (user_id, event_date)
where event_date between first_changed_day and span_end;

delete from {{ this }} as daily
{{ incremental }} using pg_temp.old_days
{{ incremental }} where daily.user_id = old_days.user_id
{{ incremental }}     and daily.transaction_category = old_days.transaction_category
{{ incremental }}     and daily.event_date = old_days.event_date
;

insert into {{ this }} (
    user_id, transaction_category, event_date, platform, utm_source, country,
    earned_count, redeemed_count, search_count, miles_earned, miles_redeemed, last_event_at
)
select
    user_id, transaction_category, event_date, platform, utm_source, country,
    count(*) filter (where event_type = 'miles_earned') as earned_count,
    count(*) filter (where event_type = 'miles_redeemed') as redeemed_count,
    count(*) filter (where event_type = 'reward_search') as search_count,
    sum(miles_earned) as miles_earned,
    sum(miles_redeemed) as miles_redeemed,
    max(event_time) as last_event_at
from {{ warehouse }}.counted_events as fact
{{ incremental }} inner join {{ warehouse }}.changed_user_days using (user_id, event_date)
{{ incremental }} inner join {{ warehouse }}.changed_user_categories
{{ incremental }}     using (user_id, transaction_category)
where transaction_category is not null
{{ incremental }}     and {{ within.changed_user_days }}
group by user_id, transaction_category, event_date, platform, utm_source, country
order by user_id, transaction_category, event_date;

-- A full build counts from zero.
delete from {{ state }} as categories
{{ incremental }} where false
;

insert into {{ state }} as categories (
    grain, period_start, slice, slice_value, transaction_category,
    users, events, earning_users, earned_count, redeeming_users, redeemed_count, search_count,
    miles_earned, miles_redeemed
)
with signed_days as (  -- Waived: union, of changed categories alone; a full build has no old rows.
    {{ incremental }} select
    {{ incremental }}     -1 as sign,
    {{ incremental }}     user_id, transaction_category, event_date, platform, utm_source, country,
    {{ incremental }}     earned_count, redeemed_count, search_count, miles_earned, miles_redeemed
    {{ incremental }} from pg_temp.old_days
    {{ incremental }} union all
    select
        -- 1 for a changed day, 0 for an unchanged one beside it. In a full build all are new.
        1
        {{ incremental }} * (changed_days.user_id is not null)::integer
        as sign,
        user_id, transaction_category, event_date, platform, utm_source, country,
        earned_count, redeemed_count, search_count, miles_earned, miles_redeemed
    from {{ this }}
    {{ incremental }} inner join {{ warehouse }}.changed_user_categories
    {{ incremental }}     using (user_id, transaction_category)
    {{ incremental }} left join {{ warehouse }}.changed_user_days as changed_days
    {{ incremental }}     using (user_id, event_date)
    {{ incremental }} where event_date between span_start and span_end
),

-- has_one_origin: whether all these days have one country and one source.
days as (
    select
        signed_days.*,
        {{ warehouse }}.week_start(event_date) as week,
        {{ warehouse }}.month_start(event_date) as month,
        case when earned_count > 0 then event_date end as earning_day,
        case when redeemed_count > 0 then event_date end as redeeming_day,
        min(country) over user_category = max(country) over user_category
        and min(utm_source) over user_category = max(utm_source) over user_category
            as has_one_origin
    from signed_days
    window user_category as (partition by user_id, transaction_category)
),

-- One row per day and group of slice values that count the user together, which slice_groups()
-- makes and slices() unfolds. With the user's previous day there: active, earning and redeeming,
-- after the change (new_) and before it (old_). Platforms are always counted apart: combined with
-- country and source they would make too many groups.
days_by_slices as (
    select
        days.*,
        everybody, of_country, of_platform, of_source,
        max(event_date) filter (where sign >= 0) over earlier as new_previous,
        max(earning_day) filter (where sign >= 0) over earlier as new_previous_earning,
        max(redeeming_day) filter (where sign >= 0) over earlier as new_previous_redeeming
        {{ incremental }}, max(event_date) filter (where sign <= 0) over earlier as old_previous
        {{ incremental }}, max(earning_day) filter (where sign <= 0) over earlier
        {{ incremental }}     as old_previous_earning
        {{ incremental }}, max(redeeming_day) filter (where sign <= 0) over earlier
        {{ incremental }}     as old_previous_redeeming
    from days
    cross join lateral {{ warehouse }}.slice_groups(
        has_one_origin, false, country, platform, utm_source
    )
    window earlier as (
        partition by
            user_id, transaction_category, everybody, of_country, of_platform, of_source
        order by event_date
        rows between unbounded preceding and 1 preceding
    )
),

-- What to add and what to subtract. An unchanged day matters only if its previous day differs: then
-- it is added with the new one and subtracted with the old one.
counted_days as (
    select
        event_date, week, month, transaction_category,
        everybody, of_country, of_platform, of_source,
        side.sign,
        earned_count, redeemed_count, search_count, miles_earned, miles_redeemed,
        coalesce(side.previous, '-infinity') as previous,
        coalesce(side.previous_earning, '-infinity') as previous_earning,
        coalesce(side.previous_redeeming, '-infinity') as previous_redeeming
    from days_by_slices
    cross join lateral (
        select
            1 as sign,
            new_previous as previous,
            new_previous_earning as previous_earning,
            new_previous_redeeming as previous_redeeming
        {{ incremental }} union all
        {{ incremental }} select
        {{ incremental }}     -1 as sign, old_previous, old_previous_earning, old_previous_redeeming
    ) as side
    {{ incremental }} where (side.sign = days_by_slices.sign or days_by_slices.sign = 0)
    {{ incremental }}     and (
    {{ incremental }}         days_by_slices.sign <> 0
    {{ incremental }}         or (old_previous, old_previous_earning, old_previous_redeeming)
    {{ incremental }}         is distinct from
    {{ incremental }}         (new_previous, new_previous_earning, new_previous_redeeming)
    {{ incremental }}     )
),

-- A user counts on the first day of a period: the previous one lies before it.
day_counts as (
    select
        event_date, transaction_category,
        everybody, of_country, of_platform, of_source,
        sum(sign) filter (where previous < event_date) as users_of_day,
        sum(sign) filter (where previous < week) as users_of_week,
        sum(sign) filter (where previous < month) as users_of_month,
        sum(sign) filter (where earned_count > 0 and previous_earning < event_date)
            as earning_of_day,
        sum(sign) filter (where earned_count > 0 and previous_earning < week) as earning_of_week,
        sum(sign) filter (where earned_count > 0 and previous_earning < month) as earning_of_month,
        sum(sign) filter (where redeemed_count > 0 and previous_redeeming < event_date)
            as redeeming_of_day,
        sum(sign) filter (where redeemed_count > 0 and previous_redeeming < week)
            as redeeming_of_week,
        sum(sign) filter (where redeemed_count > 0 and previous_redeeming < month)
            as redeeming_of_month,
        sum(sign * earned_count) as earned_count, sum(sign * redeemed_count) as redeemed_count,
        sum(sign * search_count) as search_count, sum(sign * miles_earned) as miles_earned,
        sum(sign * miles_redeemed) as miles_redeemed
    from counted_days
    group by event_date, transaction_category, everybody, of_country, of_platform, of_source
),

slice_counts as (
    select
        event_date, slice, slice_value, transaction_category,
        sum(users_of_day) as users_of_day, sum(users_of_week) as users_of_week,
        sum(users_of_month) as users_of_month, sum(earning_of_day) as earning_of_day,
        sum(earning_of_week) as earning_of_week, sum(earning_of_month) as earning_of_month,
        sum(redeeming_of_day) as redeeming_of_day, sum(redeeming_of_week) as redeeming_of_week,
        sum(redeeming_of_month) as redeeming_of_month, sum(earned_count) as earned_count,
        sum(redeemed_count) as redeemed_count, sum(search_count) as search_count,
        sum(miles_earned) as miles_earned, sum(miles_redeemed) as miles_redeemed
    from day_counts
    cross join lateral {{ warehouse }}.slices(everybody, of_country, of_platform, of_source)
    group by event_date, slice, slice_value, transaction_category
)

select
    grain, period_start, slice, slice_value, transaction_category,
    coalesce(sum(users), 0) as users,
    sum(earned_count + redeemed_count + search_count) as events,
    coalesce(sum(earning_users), 0) as earning_users,
    sum(earned_count) as earned_count,
    coalesce(sum(redeeming_users), 0) as redeeming_users,
    sum(redeemed_count) as redeemed_count, sum(search_count) as search_count,
    trim_scale(sum(miles_earned)) as miles_earned, trim_scale(sum(miles_redeemed)) as miles_redeemed
from slice_counts
cross join lateral (
    select 'day' as grain, event_date, users_of_day, earning_of_day, redeeming_of_day
    union all
    select
        'week' as grain, {{ warehouse }}.week_start(event_date),
        users_of_week, earning_of_week, redeeming_of_week
    union all
    select
        'month' as grain, {{ warehouse }}.month_start(event_date),
        users_of_month, earning_of_month, redeeming_of_month
) as periods (grain, period_start, users, earning_users, redeeming_users)
group by grain, period_start, slice, slice_value, transaction_category
order by grain, period_start, slice, slice_value, transaction_category
on conflict (grain, period_start, slice, slice_value, transaction_category) do update set
    users = categories.users + excluded.users,
    events = categories.events + excluded.events,
    earning_users = categories.earning_users + excluded.earning_users,
    earned_count = categories.earned_count + excluded.earned_count,
    redeeming_users = categories.redeeming_users + excluded.redeeming_users,
    redeemed_count = categories.redeemed_count + excluded.redeemed_count,
    search_count = categories.search_count + excluded.search_count,
    miles_earned = trim_scale(categories.miles_earned + excluded.miles_earned),
    miles_redeemed = trim_scale(categories.miles_redeemed + excluded.miles_redeemed);

-- A category without an event in the period has no row, as in a full build.
delete from {{ state }} as categories
{{ incremental }} using (
{{ incremental }}     select distinct grain, period_start
{{ incremental }}     from {{ warehouse }}.changed_user_days
{{ incremental }}     cross join lateral {{ warehouse }}.periods(event_date)
{{ incremental }}     where isfinite(event_date)
{{ incremental }} ) as changed
where
    events = 0
    {{ incremental }} and categories.grain = changed.grain
    {{ incremental }} and categories.period_start = changed.period_start
;

drop table pg_temp.old_days;
