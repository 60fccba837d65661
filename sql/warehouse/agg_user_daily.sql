-- warehouse.agg_user_daily
-- Grain: one row per user, day, platform, source and country
--        (user_id, event_date, platform, utm_source, country).
-- Rerun: difference; takes the changed days of users out, puts them back as they are now, and moves
--        warehouse.agg_engagement_daily by what differs between the two: nothing, the second time.
-- Why:   the atom of user metrics, in every slice; a day's distinct users follow from it without a
--        look at the users who did not change.

with events as (
    select
        events.user_id,
        events.event_date,
        events.platform,
        events.utm_source,
        events.country,
        events.event_id,
        events.event_time,
        'miles_earned' as event_type,
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
        events.platform,
        events.utm_source,
        events.country,
        events.event_id,
        events.event_time,
        'miles_redeemed' as event_type,
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
        events.platform,
        events.utm_source,
        events.country,
        events.event_id,
        events.event_time,
        'reward_search' as event_type,
        0 as miles_earned,
        0 as miles_redeemed
    from {{ warehouse }}.fact_reward_searches as events
    {{ incremental }} inner join {{ warehouse }}.changed_user_days as changed
    {{ incremental }}     on changed.user_id = events.user_id
    {{ incremental }}     and changed.event_date = events.event_date
    union all
    select
        events.user_id,
        events.event_date,
        events.platform,
        events.utm_source,
        events.country,
        events.event_id,
        events.event_time,
        events.engagement as event_type,
        0 as miles_earned,
        0 as miles_redeemed
    from {{ warehouse }}.fact_social_engagements as events
    {{ incremental }} inner join {{ warehouse }}.changed_user_days as changed
    {{ incremental }}     on changed.user_id = events.user_id
    {{ incremental }}     and changed.event_date = events.event_date
    union all
    select
        events.user_id,
        events.event_date,
        events.platform,
        events.utm_source,
        events.country,
        events.event_id,
        events.event_time,
        'unclassified' as event_type,
        0 as miles_earned,
        0 as miles_redeemed
    from {{ warehouse }}.fact_unclassified_events as events
    {{ incremental }} inner join {{ warehouse }}.changed_user_days as changed
    {{ incremental }}     on changed.user_id = events.user_id
    {{ incremental }}     and changed.event_date = events.event_date
    where events.reason = 'unknown event type'
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
        platform,
        utm_source,
        country,
        earned_count,
        redeemed_count,
        search_count,
        share_count,
        like_count,
        unclassified_count,
        miles_earned,
        miles_redeemed,
        first_event_id,
        last_event_id,
        first_event_at,
        last_event_at,
        first_earned_at
    )
    select
        events.user_id,
        events.event_date,
        events.platform,
        events.utm_source,
        events.country,
        count(*) filter (where events.event_type = 'miles_earned') as earned_count,
        count(*) filter (where events.event_type = 'miles_redeemed') as redeemed_count,
        count(*) filter (where events.event_type = 'reward_search') as search_count,
        count(*) filter (where events.event_type = 'share') as share_count,
        count(*) filter (where events.event_type = 'like') as like_count,
        count(*) filter (where events.event_type = 'unclassified') as unclassified_count,
        sum(events.miles_earned) as miles_earned,
        sum(events.miles_redeemed) as miles_redeemed,
        (
            array_agg(events.event_id order by events.event_time, events.event_id)
        )[1] as first_event_id,
        (
            array_agg(events.event_id order by events.event_time desc, events.event_id desc)
        )[1] as last_event_id,
        min(events.event_time) as first_event_at,
        max(events.event_time) as last_event_at,
        min(events.event_time) filter (where events.event_type = 'miles_earned') as first_earned_at
    from events
    -- The old rows must be out before the new ones go in: counting them makes it so.
    where (select count(*) from gone) >= 0
    group by
        events.user_id,
        events.event_date,
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

-- A user counts once in each slice value of a day, however many rows the day has.
user_days as (
    select
        signed.sign,
        slices.slice,
        slices.slice_value,
        signed.event_date,
        bool_or(signed.earned_count > 0) as has_earned,
        bool_or(signed.redeemed_count > 0) as has_redeemed,
        bool_or(signed.search_count > 0) as has_searched,
        bool_or(signed.share_count > 0) as has_shared,
        bool_or(signed.like_count > 0) as has_liked
    from signed
    cross join lateral (
        values
        ('all', 'all'),
        ('country', signed.country),
        ('platform', signed.platform),
        ('utm_source', signed.utm_source)
    ) as slices (slice, slice_value)
    group by
        signed.sign,
        signed.user_id,
        slices.slice,
        slices.slice_value,
        signed.event_date
),

user_counts as (
    select
        user_days.slice,
        user_days.slice_value,
        user_days.event_date,
        sum(user_days.sign) as users,
        coalesce(sum(user_days.sign) filter (where user_days.has_earned), 0) as earning_users,
        coalesce(sum(user_days.sign) filter (where user_days.has_redeemed), 0) as redeeming_users,
        coalesce(sum(user_days.sign) filter (where user_days.has_searched), 0) as searching_users,
        coalesce(sum(user_days.sign) filter (where user_days.has_shared), 0) as sharing_users,
        coalesce(sum(user_days.sign) filter (where user_days.has_liked), 0) as liking_users
    from user_days
    group by
        user_days.slice,
        user_days.slice_value,
        user_days.event_date
),

-- Events only add up, so what all users did is added up before it is sliced.
days as (
    select
        signed.event_date,
        signed.platform,
        signed.utm_source,
        signed.country,
        sum(signed.sign * signed.earned_count) as earned_count,
        sum(signed.sign * signed.redeemed_count) as redeemed_count,
        sum(signed.sign * signed.search_count) as search_count,
        sum(signed.sign * signed.share_count) as share_count,
        sum(signed.sign * signed.like_count) as like_count,
        sum(signed.sign * signed.unclassified_count) as unclassified_count,
        sum(signed.sign * signed.miles_earned) as miles_earned,
        sum(signed.sign * signed.miles_redeemed) as miles_redeemed
    from signed
    group by
        signed.event_date,
        signed.platform,
        signed.utm_source,
        signed.country
),

event_counts as (
    select
        slices.slice,
        slices.slice_value,
        days.event_date,
        sum(days.earned_count) as earned_count,
        sum(days.redeemed_count) as redeemed_count,
        sum(days.search_count) as search_count,
        sum(days.share_count) as share_count,
        sum(days.like_count) as like_count,
        sum(
            days.earned_count + days.redeemed_count + days.search_count
            + days.share_count + days.like_count + days.unclassified_count
        ) as events,
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
        days.event_date
)

insert into {{ state }} as engagement (
    slice,
    slice_value,
    event_date,
    users,
    events,
    earning_users,
    earned_count,
    redeeming_users,
    redeemed_count,
    searching_users,
    search_count,
    sharing_users,
    share_count,
    liking_users,
    like_count,
    miles_earned,
    miles_redeemed
)
select
    slice,
    slice_value,
    event_date,
    user_counts.users,
    event_counts.events,
    user_counts.earning_users,
    event_counts.earned_count,
    user_counts.redeeming_users,
    event_counts.redeemed_count,
    user_counts.searching_users,
    event_counts.search_count,
    user_counts.sharing_users,
    event_counts.share_count,
    user_counts.liking_users,
    event_counts.like_count,
    event_counts.miles_earned,
    event_counts.miles_redeemed
from user_counts
inner join event_counts using (slice, slice_value, event_date)
on conflict (slice, slice_value, event_date) do update set
    users = engagement.users + excluded.users,
    events = engagement.events + excluded.events,
    earning_users = engagement.earning_users + excluded.earning_users,
    earned_count = engagement.earned_count + excluded.earned_count,
    redeeming_users = engagement.redeeming_users + excluded.redeeming_users,
    redeemed_count = engagement.redeemed_count + excluded.redeemed_count,
    searching_users = engagement.searching_users + excluded.searching_users,
    search_count = engagement.search_count + excluded.search_count,
    sharing_users = engagement.sharing_users + excluded.sharing_users,
    share_count = engagement.share_count + excluded.share_count,
    liking_users = engagement.liking_users + excluded.liking_users,
    like_count = engagement.like_count + excluded.like_count,
    miles_earned = engagement.miles_earned + excluded.miles_earned,
    miles_redeemed = engagement.miles_redeemed + excluded.miles_redeemed;

-- A day on which nothing is left has no row, as in a full build.
delete from {{ state }} as engagement
where engagement.events = 0;
