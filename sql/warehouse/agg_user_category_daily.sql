-- warehouse.agg_user_category_daily
-- Grain: one row per user, day, category, platform, source and country
--        (user_id, event_date, transaction_category, platform, utm_source, country).
-- Rerun: difference; takes the changed days of users out, puts them back as they are now, and moves
--        warehouse.agg_category_periods by what differs between the two: nothing, the second time.
-- Why:   the atom of category metrics, in every slice. A user counts once in a week or month, so
--        the other days of the weeks and months of a changed user are looked at too.

with events as (
    select
        events.user_id,
        events.event_date,
        events.transaction_category,
        events.platform,
        events.utm_source,
        events.country,
        events.event_time,
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
        events.platform,
        events.utm_source,
        events.country,
        events.event_time,
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
        events.platform,
        events.utm_source,
        events.country,
        events.event_time,
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
        platform,
        utm_source,
        country,
        earned_count,
        redeemed_count,
        search_count,
        miles_earned,
        miles_redeemed,
        last_event_at
    )
    select
        events.user_id,
        events.event_date,
        events.transaction_category,
        events.platform,
        events.utm_source,
        events.country,
        sum(events.earned_count) as earned_count,
        sum(events.redeemed_count) as redeemed_count,
        sum(events.search_count) as search_count,
        sum(events.miles_earned) as miles_earned,
        sum(events.miles_redeemed) as miles_redeemed,
        max(events.event_time) as last_event_at
    from events
    -- The old rows must be out before the new ones go in: counting them makes it so.
    where (select count(*) from gone) >= 0
    group by
        events.user_id,
        events.event_date,
        events.transaction_category,
        events.platform,
        events.utm_source,
        events.country
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

-- What has changed, and what stays beside it in the same category, week and month: who is there on
-- another day as well was there before and still is. In a full build nothing stays, as no user is
-- in changed_users.
parts as (
    select
        signed.sign,
        signed.user_id,
        signed.event_date,
        signed.transaction_category,
        signed.platform,
        signed.utm_source,
        signed.country,
        signed.earned_count,
        signed.redeemed_count
    from signed
    union all
    select
        0 as sign,
        daily.user_id,
        daily.event_date,
        daily.transaction_category,
        daily.platform,
        daily.utm_source,
        daily.country,
        daily.earned_count,
        daily.redeemed_count
    from {{ warehouse }}.changed_users as users
    inner join {{ this }} as daily
        on
            daily.user_id = users.user_id
            and daily.event_date between users.span_start and users.span_end
    where
        not exists (
            select
            from {{ warehouse }}.changed_user_days as changed
            where changed.user_id = daily.user_id and changed.event_date = daily.event_date
        )
        and exists (
            select
            from signed
            where
                signed.user_id = daily.user_id
                and signed.transaction_category = daily.transaction_category
        )
),

user_periods as (
    select
        parts.user_id,
        parts.transaction_category,
        periods.grain,
        periods.period_start,
        parts.platform,
        parts.utm_source,
        parts.country,
        bool_or(parts.sign <= 0) as was_active,
        bool_or(parts.sign >= 0) as is_active,
        bool_or(parts.sign <= 0 and parts.earned_count > 0) as was_earning,
        bool_or(parts.sign >= 0 and parts.earned_count > 0) as is_earning,
        bool_or(parts.sign <= 0 and parts.redeemed_count > 0) as was_redeeming,
        bool_or(parts.sign >= 0 and parts.redeemed_count > 0) as is_redeeming,
        count(*) over (
            partition by
                parts.user_id, parts.transaction_category, periods.grain, periods.period_start
        ) as places
    from parts
    cross join lateral (
        values
        ('day', parts.event_date),
        ('week', date_trunc('week', parts.event_date::timestamp)::date),
        ('month', date_trunc('month', parts.event_date::timestamp)::date)
    ) as periods (grain, period_start)
    where parts.sign <> 0 or periods.grain <> 'day'
    group by
        parts.user_id,
        parts.transaction_category,
        periods.grain,
        periods.period_start,
        parts.platform,
        parts.utm_source,
        parts.country
),

-- A user counts once in each slice value. Most are in one place, so that the four values of it are
-- all there is. The others are put together value by value.
members as (
    select
        slices.slice,
        slices.slice_value,
        periods.grain,
        periods.period_start,
        periods.transaction_category,
        periods.was_active,
        periods.is_active,
        periods.was_earning,
        periods.is_earning,
        periods.was_redeeming,
        periods.is_redeeming
    from user_periods as periods
    cross join lateral (
        values
        ('all', 'all'),
        ('country', periods.country),
        ('platform', periods.platform),
        ('utm_source', periods.utm_source)
    ) as slices (slice, slice_value)
    where periods.places = 1
    union all
    select
        slices.slice,
        slices.slice_value,
        periods.grain,
        periods.period_start,
        periods.transaction_category,
        bool_or(periods.was_active) as was_active,
        bool_or(periods.is_active) as is_active,
        bool_or(periods.was_earning) as was_earning,
        bool_or(periods.is_earning) as is_earning,
        bool_or(periods.was_redeeming) as was_redeeming,
        bool_or(periods.is_redeeming) as is_redeeming
    from user_periods as periods
    cross join lateral (
        values
        ('all', 'all'),
        ('country', periods.country),
        ('platform', periods.platform),
        ('utm_source', periods.utm_source)
    ) as slices (slice, slice_value)
    where periods.places > 1
    group by
        periods.user_id,
        slices.slice,
        slices.slice_value,
        periods.grain,
        periods.period_start,
        periods.transaction_category
),

user_counts as (
    select
        members.slice,
        members.slice_value,
        members.grain,
        members.period_start,
        members.transaction_category,
        sum(members.is_active::integer - members.was_active::integer) as users,
        sum(members.is_earning::integer - members.was_earning::integer) as earning_users,
        sum(members.is_redeeming::integer - members.was_redeeming::integer) as redeeming_users
    from members
    group by
        members.slice,
        members.slice_value,
        members.grain,
        members.period_start,
        members.transaction_category
),

-- Events only add up: those of all users, then those of all slice values, then those of all days.
days as (
    select
        signed.event_date,
        signed.transaction_category,
        signed.platform,
        signed.utm_source,
        signed.country,
        sum(signed.sign * signed.earned_count) as earned_count,
        sum(signed.sign * signed.redeemed_count) as redeemed_count,
        sum(signed.sign * signed.search_count) as search_count,
        sum(signed.sign * signed.miles_earned) as miles_earned,
        sum(signed.sign * signed.miles_redeemed) as miles_redeemed
    from signed
    group by
        signed.event_date,
        signed.transaction_category,
        signed.platform,
        signed.utm_source,
        signed.country
),

sliced_days as (
    select
        slices.slice,
        slices.slice_value,
        days.event_date,
        days.transaction_category,
        sum(days.earned_count) as earned_count,
        sum(days.redeemed_count) as redeemed_count,
        sum(days.search_count) as search_count,
        sum(days.miles_earned) as miles_earned,
        sum(days.miles_redeemed) as miles_redeemed
    from days
    cross join lateral (
        values
        ('all', 'all'),
        ('country', days.country),
        ('platform', days.platform),
        ('utm_source', days.utm_source)
    ) as slices (slice, slice_value)
    group by
        slices.slice,
        slices.slice_value,
        days.event_date,
        days.transaction_category
),

event_counts as (
    select
        days.slice,
        days.slice_value,
        periods.grain,
        periods.period_start,
        days.transaction_category,
        sum(days.earned_count) as earned_count,
        sum(days.redeemed_count) as redeemed_count,
        sum(days.search_count) as search_count,
        sum(days.miles_earned) as miles_earned,
        sum(days.miles_redeemed) as miles_redeemed
    from sliced_days as days
    cross join lateral (
        values
        ('day', days.event_date),
        ('week', date_trunc('week', days.event_date::timestamp)::date),
        ('month', date_trunc('month', days.event_date::timestamp)::date)
    ) as periods (grain, period_start)
    group by
        days.slice,
        days.slice_value,
        periods.grain,
        periods.period_start,
        days.transaction_category
)

insert into {{ state }} as categories (
    grain,
    period_start,
    slice,
    slice_value,
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
    slice,
    slice_value,
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
inner join event_counts
    using (grain, period_start, slice, slice_value, transaction_category)
order by grain, period_start, slice, slice_value, transaction_category
on conflict (grain, period_start, slice, slice_value, transaction_category) do update set
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
