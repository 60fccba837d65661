-- warehouse.agg_user_features
-- Grain: one row per user (user_id).
-- Rerun: whole; linear in users.
-- Why:   what users are compared by when clusters are made. Logarithms, as ten more events mean
--        much to who had two and little to who had a thousand; then scales on which all weigh the
--        same. A feature in which nobody differs is 0 for everybody, and so decides nothing.

insert into {{ this }} (
    user_id,
    recency,
    active_days,
    earned_count,
    redeemed_count,
    search_count,
    share_count,
    like_count,
    miles_earned,
    miles_redeemed,
    category_count
)
with data as (
    select max(engagement.last_active_day) as last_day
    from {{ warehouse }}.agg_user_engagement as engagement
),

-- The zeros make logarithms exact to 20 digits: enough for 9 on the scales, on every server.
logarithms as (
    select
        engagement.user_id,
        ln(
            1.00000000000000000000 + (data.last_day - engagement.last_active_day)
        ) as recency,
        ln(1.00000000000000000000 + engagement.active_days_lifetime) as active_days,
        ln(1.00000000000000000000 + engagement.earned_count_lifetime) as earned_count,
        ln(1.00000000000000000000 + engagement.redeemed_count_lifetime) as redeemed_count,
        ln(1.00000000000000000000 + engagement.search_count_lifetime) as search_count,
        ln(1.00000000000000000000 + engagement.share_count_lifetime) as share_count,
        ln(1.00000000000000000000 + engagement.like_count_lifetime) as like_count,
        ln(1.00000000000000000000 + greatest(engagement.miles_earned_lifetime, 0)) as miles_earned,
        ln(
            1.00000000000000000000 + greatest(engagement.miles_redeemed_lifetime, 0)
        ) as miles_redeemed,
        ln(1.00000000000000000000 + engagement.category_count_lifetime) as category_count
    from {{ warehouse }}.agg_user_engagement as engagement
    cross join data
),

scales as (
    select
        avg(logarithms.recency) as recency_mean,
        nullif(stddev_pop(logarithms.recency), 0) as recency_deviation,
        avg(logarithms.active_days) as active_days_mean,
        nullif(stddev_pop(logarithms.active_days), 0) as active_days_deviation,
        avg(logarithms.earned_count) as earned_count_mean,
        nullif(stddev_pop(logarithms.earned_count), 0) as earned_count_deviation,
        avg(logarithms.redeemed_count) as redeemed_count_mean,
        nullif(stddev_pop(logarithms.redeemed_count), 0) as redeemed_count_deviation,
        avg(logarithms.search_count) as search_count_mean,
        nullif(stddev_pop(logarithms.search_count), 0) as search_count_deviation,
        avg(logarithms.share_count) as share_count_mean,
        nullif(stddev_pop(logarithms.share_count), 0) as share_count_deviation,
        avg(logarithms.like_count) as like_count_mean,
        nullif(stddev_pop(logarithms.like_count), 0) as like_count_deviation,
        avg(logarithms.miles_earned) as miles_earned_mean,
        nullif(stddev_pop(logarithms.miles_earned), 0) as miles_earned_deviation,
        avg(logarithms.miles_redeemed) as miles_redeemed_mean,
        nullif(stddev_pop(logarithms.miles_redeemed), 0) as miles_redeemed_deviation,
        avg(logarithms.category_count) as category_count_mean,
        nullif(stddev_pop(logarithms.category_count), 0) as category_count_deviation
    from logarithms
)

select
    logarithms.user_id,
    coalesce(
        round(
            (logarithms.recency - scales.recency_mean) / scales.recency_deviation, 9
        ),
        0
    ) as recency,
    coalesce(
        round(
            (logarithms.active_days - scales.active_days_mean) / scales.active_days_deviation, 9
        ),
        0
    ) as active_days,
    coalesce(
        round(
            (logarithms.earned_count - scales.earned_count_mean) / scales.earned_count_deviation, 9
        ),
        0
    ) as earned_count,
    coalesce(
        round(
            (logarithms.redeemed_count - scales.redeemed_count_mean)
            / scales.redeemed_count_deviation,
            9
        ),
        0
    ) as redeemed_count,
    coalesce(
        round(
            (logarithms.search_count - scales.search_count_mean) / scales.search_count_deviation, 9
        ),
        0
    ) as search_count,
    coalesce(
        round(
            (logarithms.share_count - scales.share_count_mean) / scales.share_count_deviation, 9
        ),
        0
    ) as share_count,
    coalesce(
        round(
            (logarithms.like_count - scales.like_count_mean) / scales.like_count_deviation, 9
        ),
        0
    ) as like_count,
    coalesce(
        round(
            (logarithms.miles_earned - scales.miles_earned_mean) / scales.miles_earned_deviation, 9
        ),
        0
    ) as miles_earned,
    coalesce(
        round(
            (logarithms.miles_redeemed - scales.miles_redeemed_mean)
            / scales.miles_redeemed_deviation,
            9
        ),
        0
    ) as miles_redeemed,
    coalesce(
        round(
            (logarithms.category_count - scales.category_count_mean)
            / scales.category_count_deviation,
            9
        ),
        0
    ) as category_count
from logarithms
cross join scales;
