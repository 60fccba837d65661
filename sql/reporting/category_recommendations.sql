-- reporting.category_recommendations
-- Grain: one row per segment by rule and category (segment, transaction_category).
-- Rerun: whole; as many rows as segments and categories.
-- Why:   what to offer whom, without saying who. What fewer than min_cell users share is shown
--        together as other, and so that other has as many, the next smallest joins it.

insert into {{ this }} (
    segment,
    transaction_category,
    users,
    score,
    support
)
with best as (
    select
        profiles.segment,
        recommendations.transaction_category,
        count(*) as users,
        sum(recommendations.score) as score,
        sum(recommendations.support) as support
    from {{ warehouse }}.agg_category_recommendations as recommendations
    inner join {{ warehouse }}.agg_user_profiles as profiles
        on profiles.user_id = recommendations.user_id
    where recommendations.rank = 1
    group by
        profiles.segment,
        recommendations.transaction_category
),

-- From the smallest: who is small, or comes when the small ones are still too few.
segments as (
    select
        sizes.segment,
        case
            when
                sizes.users < {{ min_cell }}
                or sum(sizes.users) over (
                    order by sizes.users, sizes.segment collate "C"
                    rows between unbounded preceding and 1 preceding
                ) < {{ min_cell }}
                then 'other'
            else sizes.segment
        end as shown_segment
    from (
        select
            best.segment,
            sum(best.users) as users
        from best
        group by best.segment
    ) as sizes
),

cells as (
    select
        segments.shown_segment as segment,
        best.transaction_category,
        sum(best.users) as users,
        sum(best.score) as score,
        sum(best.support) as support
    from best
    inner join segments on segments.segment = best.segment
    group by
        segments.shown_segment,
        best.transaction_category
),

-- A category that is really named other is in other from the start.
shown as (
    select
        cells.segment,
        case
            when
                cells.users < {{ min_cell }}
                or sum(cells.users) over (
                    partition by cells.segment
                    order by
                        cells.transaction_category <> 'other',
                        cells.users,
                        cells.transaction_category collate "C"
                    rows between unbounded preceding and 1 preceding
                ) < {{ min_cell }}
                then 'other'
            else cells.transaction_category
        end as transaction_category,
        cells.users,
        cells.score,
        cells.support
    from cells
)

select
    shown.segment,
    shown.transaction_category,
    sum(shown.users) as users,
    round(sum(shown.score) / sum(shown.users), 6) as score,
    round(sum(shown.support) / sum(shown.users), 6) as support
from shown
group by
    shown.segment,
    shown.transaction_category;
