-- warehouse.agg_user_category_daily
-- Grain: one row per user, category, day, platform, source and country
--        (user_id, transaction_category, event_date, platform, utm_source, country).
--        The category before the day, so that a user's history in a category lies together.
-- Rerun: difference; takes the changed days of the changed categories of users out, puts them back
--        as they are now, and moves warehouse.agg_category_periods by what differs between the two:
--        nothing, the second time. Other days of their weeks and months count by what lies before.
-- Why:   the atom of category metrics, in every slice. A user counts once in a week or month: on
--        the first day of it. So the other days of the weeks and months of a change are looked at
--        too, once for both sides; one pass in the order of the key serves all grains.

-- What the changed days held until now; nothing in a full build.
create temporary table was as
select
    -1 as sign,
    user_id, transaction_category, event_date, platform, utm_source, country,
    earned_count, redeemed_count, search_count, miles_earned, miles_redeemed
from {{ warehouse }}.changed_user_categories
inner join {{ this }} using (user_id, transaction_category)
inner join {{ warehouse }}.changed_user_days using (user_id, event_date)
where event_date between first_changed_day and span_end;

delete from {{ this }} as daily
{{ incremental }} using pg_temp.was
{{ incremental }} where daily.user_id = was.user_id
{{ incremental }}     and daily.transaction_category = was.transaction_category
{{ incremental }}     and daily.event_date = was.event_date
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

-- A full build counts anew, whatever was counted before.
delete from {{ state }} as categories
{{ incremental }} where false
;

insert into {{ state }} as categories (
    grain, period_start, slice, slice_value, transaction_category,
    users, events, earning_users, earned_count, redeeming_users, redeemed_count, search_count,
    miles_earned, miles_redeemed
)
-- The changed days as they were and as they are, and beside them the other days of the same weeks
-- and months. Of those before the first change only the last is of interest: there the user was
-- there before. From it on a row is a group by itself, so that max() says what it holds.
with days as (  -- Waived: union, of changed categories alone; a full build has none
    {{ incremental }} select
    {{ incremental }}     sign,
    {{ incremental }}     user_id, transaction_category, event_date, platform, utm_source, country,
    {{ incremental }}     earned_count, redeemed_count, search_count, miles_earned, miles_redeemed,
    {{ incremental }}     case when earned_count > 0 then event_date end as earned_date,
    {{ incremental }}     case when redeemed_count > 0 then event_date end as redeemed_date
    {{ incremental }} from pg_temp.was
    {{ incremental }} union all
    select
        1 as sign,
        user_id, transaction_category, event_date, platform, utm_source, country,
        earned_count, redeemed_count, search_count, miles_earned, miles_redeemed,
        case when earned_count > 0 then event_date end as earned_date,
        case when redeemed_count > 0 then event_date end as redeemed_date
    from {{ this }}
    {{ incremental }} where false
    {{ incremental }} union all
    {{ incremental }} select
    {{ incremental }}     (changed.user_id is not null)::integer as sign,
    {{ incremental }}     user_id, transaction_category,
    {{ incremental }}     max(event_date) as event_date,
    {{ incremental }}     platform, utm_source, country,
    {{ incremental }}     max(earned_count) as earned_count, max(redeemed_count) as redeemed_count,
    {{ incremental }}     max(search_count) as search_count,
    {{ incremental }}     max(miles_earned) as miles_earned, max(miles_redeemed) as miles_redeemed,
    {{ incremental }}     max(event_date) filter (where earned_count > 0) as earned_date,
    {{ incremental }}     max(event_date) filter (where redeemed_count > 0) as redeemed_date
    {{ incremental }} from {{ warehouse }}.changed_user_categories
    {{ incremental }} inner join {{ this }} using (user_id, transaction_category)
    {{ incremental }} left join {{ warehouse }}.changed_user_days as changed
    {{ incremental }}     using (user_id, event_date)
    {{ incremental }} where event_date between span_start and span_end
    {{ incremental }} group by
    {{ incremental }}     user_id, transaction_category, platform, utm_source, country,
    {{ incremental }}     greatest(event_date, first_changed_day), changed.user_id
),

users as (
    select
        days.*,
        {{ warehouse }}.week_start(event_date) as week,
        {{ warehouse }}.month_start(event_date) as month,
        min(country) over user_category = max(country) over user_category
        and min(utm_source) over user_category = max(utm_source) over user_category as is_settled
    from days
    window user_category as (partition by user_id, transaction_category)
),

-- When the user was there before, earned before and redeemed before, now and formerly. Platforms
-- are always counted apart: together with country and source they would make too many places.
seen as (
    select
        users.*,
        everybody, of_country, of_platform, of_source,
        max(event_date) filter (where sign >= 0) over before as seen_now,
        max(earned_date) filter (where sign >= 0) over before as earned_now,
        max(redeemed_date) filter (where sign >= 0) over before as redeemed_now
        {{ incremental }}, max(event_date) filter (where sign <= 0) over before as seen_then
        {{ incremental }}, max(earned_date) filter (where sign <= 0) over before as earned_then
        {{ incremental }}, max(redeemed_date) filter (where sign <= 0) over before as redeemed_then
    from users
    cross join lateral {{ warehouse }}.places(is_settled, false, country, platform, utm_source)
    window before as (
        partition by
            user_id, transaction_category, everybody, of_country, of_platform, of_source
        order by event_date
        rows between unbounded preceding and 1 preceding
    )
),

-- A row of another day matters only if something else lies before it than did.
sides as (
    select
        event_date, week, month, transaction_category,
        everybody, of_country, of_platform, of_source,
        side.sign,
        earned_count, redeemed_count, search_count, miles_earned, miles_redeemed,
        coalesce(side.seen, '-infinity') as seen_before,
        coalesce(side.earned, '-infinity') as earned_before,
        coalesce(side.redeemed, '-infinity') as redeemed_before
    from seen
    cross join lateral (
        select 1 as sign, seen_now as seen, earned_now as earned, redeemed_now as redeemed
        {{ incremental }} union all
        {{ incremental }} select -1 as sign, seen_then, earned_then, redeemed_then
    ) as side
    {{ incremental }} where side.sign = seen.sign
    {{ incremental }}     or seen.sign = 0
    {{ incremental }}     and (seen_then, earned_then, redeemed_then)
    {{ incremental }}     is distinct from (seen_now, earned_now, redeemed_now)
),

counts as (
    select
        event_date, transaction_category,
        everybody, of_country, of_platform, of_source,
        sum(sign) filter (where seen_before < event_date) as users_of_day,
        sum(sign) filter (where seen_before < week) as users_of_week,
        sum(sign) filter (where seen_before < month) as users_of_month,
        sum(sign) filter (where earned_count > 0 and earned_before < event_date) as earning_of_day,
        sum(sign) filter (where earned_count > 0 and earned_before < week) as earning_of_week,
        sum(sign) filter (where earned_count > 0 and earned_before < month) as earning_of_month,
        sum(sign) filter (where redeemed_count > 0 and redeemed_before < event_date)
            as redeeming_of_day,
        sum(sign) filter (where redeemed_count > 0 and redeemed_before < week)
            as redeeming_of_week,
        sum(sign) filter (where redeemed_count > 0 and redeemed_before < month)
            as redeeming_of_month,
        sum(sign * earned_count) as earned_count,
        sum(sign * redeemed_count) as redeemed_count,
        sum(sign * search_count) as search_count,
        sum(sign * miles_earned) as miles_earned,
        sum(sign * miles_redeemed) as miles_redeemed
    from sides
    group by event_date, transaction_category, everybody, of_country, of_platform, of_source
),

sliced as (
    select
        event_date, slice, slice_value, transaction_category,
        sum(users_of_day) as users_of_day, sum(users_of_week) as users_of_week,
        sum(users_of_month) as users_of_month, sum(earning_of_day) as earning_of_day,
        sum(earning_of_week) as earning_of_week, sum(earning_of_month) as earning_of_month,
        sum(redeeming_of_day) as redeeming_of_day, sum(redeeming_of_week) as redeeming_of_week,
        sum(redeeming_of_month) as redeeming_of_month, sum(earned_count) as earned_count,
        sum(redeemed_count) as redeemed_count, sum(search_count) as search_count,
        sum(miles_earned) as miles_earned, sum(miles_redeemed) as miles_redeemed
    from counts
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
from sliced
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

drop table pg_temp.was;
