-- warehouse.model_sample
-- Grain: one row per user of the sample (user_id).
-- Rerun: changed keys; recomputes users who are new in the sample or whose events up to the cut
--        have changed. When a month ends that is all of them, at most model_users.
-- Why:   models are fitted on a sample of users as they were at the cut, the end of a closed month,
--        so that later events do not move them. The users with the smallest hashes are a fair
--        sample.

with last_days as (
    select
        max(calendar_date) as last_day,
        date_trunc('month', max(calendar_date)::timestamp)::date - 1 as month_end
    from {{ warehouse }}.dim_dates
),

-- Until a month has ended with enough users, the cut is the last day itself.
cuts as (
    select
        case
            when
                (
                    select count(*)
                    from (
                        select user_id
                        from {{ warehouse }}.dim_users
                        where first_day <= (select month_end from last_days)
                        limit 10 * {{ cluster_count }}
                    ) as users
                ) = 10 * {{ cluster_count }}
                then month_end
            else last_day
        end as cut
    from last_days
),

chosen as materialized (
    select user_id, cut
    from {{ warehouse }}.dim_users
    cross join cuts
    where first_day <= cut
    order by md5(user_id), user_id collate "C"
    limit {{ model_users }}
),

removed as (
    delete from {{ this }}
    where user_id not in (select user_id from chosen)
),

due as (
    select user_id, cut
    from chosen
    left join {{ this }} as stored using (user_id, cut)
    where stored.user_id is null
    {{ incremental }} union
    {{ incremental }} select user_id, cut
    {{ incremental }} from chosen
    {{ incremental }} inner join {{ warehouse }}.changed_user_days using (user_id)
    {{ incremental }} where event_date <= cut
),

-- User by user, since most builds have few.
totals as (
    select
        user_id, cut, recency, active_days, likes, shares, searches, earns, redeems,
        miles_earned, miles_redeemed
    from due
    cross join lateral (
        select
            due.cut - max(event_date) as recency,
            count(distinct event_date) as active_days, sum(like_count) as likes,
            sum(share_count) as shares, sum(search_count) as searches, sum(earned_count) as earns,
            sum(redeemed_count) as redeems,
            trim_scale(greatest(sum(miles_earned), 0)) as miles_earned,
            trim_scale(greatest(sum(miles_redeemed), 0)) as miles_redeemed
        from {{ warehouse }}.agg_user_daily as daily
        where daily.user_id = due.user_id and event_date <= due.cut
        group by daily.user_id
    ) as counted
),

categories as (
    select
        user_id,
        category_events
    from due
    cross join lateral (
        select jsonb_object_agg(transaction_category, events) as category_events
        from (
            select
                daily.user_id, transaction_category,
                sum(earned_count + redeemed_count + search_count) as events
            from {{ warehouse }}.agg_user_category_daily as daily
            where daily.user_id = due.user_id and event_date <= due.cut
            group by daily.user_id, transaction_category
        ) as counted
        group by counted.user_id
    ) as summed
)

insert into {{ this }} (
    user_id, cut, recency, active_days, likes, shares, searches, earns, redeems,
    miles_earned, miles_redeemed, category_events
)
select
    user_id, cut, recency, active_days, likes, shares, searches, earns, redeems,
    miles_earned, miles_redeemed, coalesce(category_events, '{}') as category_events
from totals
left join categories using (user_id)
on conflict (user_id) do update set (
    cut, recency, active_days, likes, shares, searches, earns, redeems,
    miles_earned, miles_redeemed, category_events
) = (
    excluded.cut, excluded.recency, excluded.active_days, excluded.likes, excluded.shares,
    excluded.searches, excluded.earns, excluded.redeems, excluded.miles_earned,
    excluded.miles_redeemed, excluded.category_events
);
