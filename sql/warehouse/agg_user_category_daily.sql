-- warehouse.agg_user_category_daily
-- Grain: one row per user, day and category (user_id, event_date, transaction_category).
-- Rerun: difference; takes the changed days of users out, puts them back as they are now, and moves
--        warehouse.agg_category_periods by what differs between the two: nothing, the second time.
-- Why:   the atom of category metrics. A user counts once in a week or month, so the other days of
--        the weeks and months of a changed user are looked at too.

with events as (
    select
        events.user_id,
        events.event_date,
        events.transaction_category,
        1 as earned_count,
        0 as redeemed_count,
        0 as search_count,
        events.miles_earned,
        0 as miles_redeemed
    from {{ warehouse }}.fact_miles_earned as events
    {{ incremental }} inner join {{ warehouse }}.changed_user_days as changed
    {{ incremental }}     on changed.user_id = events.user_id
    {{ incremental }}     and changed.event_date = events.event_date
    union all
    select
        events.user_id,
        events.event_date,
        events.transaction_category,
        0 as earned_count,
        1 as redeemed_count,
        0 as search_count,
        0 as miles_earned,
        events.miles_redeemed
    from {{ warehouse }}.fact_miles_redeemed as events
    {{ incremental }} inner join {{ warehouse }}.changed_user_days as changed
    {{ incremental }}     on changed.user_id = events.user_id
    {{ incremental }}     and changed.event_date = events.event_date
    union all
    select
        events.user_id,
        events.event_date,
        events.transaction_category,
        0 as earned_count,
        0 as redeemed_count,
        1 as search_count,
        0 as miles_earned,
        0 as miles_redeemed
    from {{ warehouse }}.fact_reward_searches as events
    {{ incremental }} inner join {{ warehouse }}.changed_user_days as changed
    {{ incremental }}     on changed.user_id = events.user_id
    {{ incremental }}     and changed.event_date = events.event_date
),

gone as (
    delete from {{ this }} as daily
    {{ incremental }} using {{ warehouse }}.changed_user_days as changed
    {{ incremental }} where daily.user_id = changed.user_id
    {{ incremental }}     and daily.event_date = changed.event_date
    returning daily.*
),

come as (
    insert into {{ this }} (
        user_id,
        event_date,
        transaction_category,
        earned_count,
        redeemed_count,
        search_count,
        miles_earned,
        miles_redeemed
    )
    select
        events.user_id,
        events.event_date,
        events.transaction_category,
        sum(events.earned_count) as earned_count,
        sum(events.redeemed_count) as redeemed_count,
        sum(events.search_count) as search_count,
        sum(events.miles_earned) as miles_earned,
        sum(events.miles_redeemed) as miles_redeemed
    from events
    -- The old rows must be out before the new ones go in: counting them makes it so.
    where (select count(*) from gone) >= 0
    group by
        events.user_id,
        events.event_date,
        events.transaction_category
    order by
        events.user_id,
        events.event_date
    returning *
),

signed as (
    select
        -1 as sign,
        gone.*
    from gone
    union all
    select
        1 as sign,
        come.*
    from come
),

-- A user has one row per day and category, so the rows of a day are its users.
days as (
    select
        signed.event_date,
        signed.transaction_category,
        sum(signed.sign) as users,
        coalesce(sum(signed.sign) filter (where signed.earned_count > 0), 0) as earning_users,
        coalesce(sum(signed.sign) filter (where signed.redeemed_count > 0), 0) as redeeming_users,
        sum(signed.sign * signed.earned_count) as earned_count,
        sum(signed.sign * signed.redeemed_count) as redeemed_count,
        sum(signed.sign * signed.search_count) as search_count,
        sum(signed.sign * signed.miles_earned) as miles_earned,
        sum(signed.sign * signed.miles_redeemed) as miles_redeemed
    from signed
    group by
        signed.event_date,
        signed.transaction_category
),

-- In a week or month a user counts once, however many of its days have changed.
user_periods as (
    select
        signed.sign,
        signed.user_id,
        periods.grain,
        periods.period_start,
        signed.transaction_category,
        bool_or(signed.earned_count > 0) as has_earned,
        bool_or(signed.redeemed_count > 0) as has_redeemed
    from signed
    cross join lateral (
        values
        ('week', date_trunc('week', signed.event_date::timestamp)::date),
        ('month', date_trunc('month', signed.event_date::timestamp)::date)
    ) as periods (grain, period_start)
    group by
        signed.sign,
        signed.user_id,
        periods.grain,
        periods.period_start,
        signed.transaction_category
),

-- What changed users did on their other days of the same weeks and months: whoever was active in a
-- category then is counted there already, before and after. Nobody in a full build, where no user
-- changed.
kept as (
    select
        daily.user_id,
        periods.grain,
        periods.period_start,
        daily.transaction_category,
        bool_or(daily.earned_count > 0) as has_earned,
        bool_or(daily.redeemed_count > 0) as has_redeemed
    from {{ warehouse }}.changed_users as users
    inner join {{ this }} as daily
        on
            daily.user_id = users.user_id
            and daily.event_date between users.span_start and users.span_end
    cross join lateral (
        values
        ('week', date_trunc('week', daily.event_date::timestamp)::date),
        ('month', date_trunc('month', daily.event_date::timestamp)::date)
    ) as periods (grain, period_start)
    where not exists (
        select
        from {{ warehouse }}.changed_user_days as changed
        where changed.user_id = daily.user_id and changed.event_date = daily.event_date
    )
    group by
        daily.user_id,
        periods.grain,
        periods.period_start,
        daily.transaction_category
),

user_counts as (
    select
        user_periods.grain,
        user_periods.period_start,
        user_periods.transaction_category,
        coalesce(sum(user_periods.sign) filter (where kept.user_id is null), 0) as users,
        coalesce(
            sum(user_periods.sign)
                filter (where user_periods.has_earned and kept.has_earned is not true),
            0
        ) as earning_users,
        coalesce(
            sum(user_periods.sign)
                filter (where user_periods.has_redeemed and kept.has_redeemed is not true),
            0
        ) as redeeming_users
    from user_periods
    left join kept using (user_id, grain, period_start, transaction_category)
    group by
        user_periods.grain,
        user_periods.period_start,
        user_periods.transaction_category
    union all
    select
        'day' as grain,
        days.event_date as period_start,
        days.transaction_category,
        days.users,
        days.earning_users,
        days.redeeming_users
    from days
),

-- Events only add up, so what all users did is added up before it is put into periods.
event_counts as (
    select
        periods.grain,
        periods.period_start,
        days.transaction_category,
        sum(days.earned_count) as earned_count,
        sum(days.redeemed_count) as redeemed_count,
        sum(days.search_count) as search_count,
        sum(days.miles_earned) as miles_earned,
        sum(days.miles_redeemed) as miles_redeemed
    from days
    cross join lateral (
        values
        ('day', days.event_date),
        ('week', date_trunc('week', days.event_date::timestamp)::date),
        ('month', date_trunc('month', days.event_date::timestamp)::date)
    ) as periods (grain, period_start)
    group by
        periods.grain,
        periods.period_start,
        days.transaction_category
)

insert into {{ state }} as categories (
    grain,
    period_start,
    transaction_category,
    users,
    events,
    earning_users,
    earned_count,
    redeeming_users,
    redeemed_count,
    search_count,
    miles_earned,
    miles_redeemed
)
select
    grain,
    period_start,
    transaction_category,
    user_counts.users,
    event_counts.earned_count + event_counts.redeemed_count + event_counts.search_count as events,
    user_counts.earning_users,
    event_counts.earned_count,
    user_counts.redeeming_users,
    event_counts.redeemed_count,
    event_counts.search_count,
    event_counts.miles_earned,
    event_counts.miles_redeemed
from user_counts
inner join event_counts using (grain, period_start, transaction_category)
on conflict (grain, period_start, transaction_category) do update set
    users = categories.users + excluded.users,
    events = categories.events + excluded.events,
    earning_users = categories.earning_users + excluded.earning_users,
    earned_count = categories.earned_count + excluded.earned_count,
    redeeming_users = categories.redeeming_users + excluded.redeeming_users,
    redeemed_count = categories.redeemed_count + excluded.redeemed_count,
    search_count = categories.search_count + excluded.search_count,
    miles_earned = categories.miles_earned + excluded.miles_earned,
    miles_redeemed = categories.miles_redeemed + excluded.miles_redeemed;

-- A category without an event in the period has no row, as in a full build.
delete from {{ state }} as categories
where categories.events = 0;
