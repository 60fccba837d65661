-- reporting.category_recommendations
-- Grain: one row per segment by rule and category (segment, transaction_category).
-- Rerun: whole; reads the best recommendation of each user.
-- Why:   what to offer to whom, without naming anybody. What fewer than min_cell users share is
--        shown together as other; if other has still fewer, the next smallest joins it.

insert into {{ this }} (segment, transaction_category, rank, users, score, support)
with best as (
    select
        segment,
        transaction_categories[1] as transaction_category,
        count(*) as users,
        sum(scores[1]) as score,
        sum(supports[1]) as support
    from {{ warehouse }}.agg_user_recommendations
    inner join {{ warehouse }}.agg_user_profiles using (user_id)
    group by segment, transaction_categories[1]
),

-- From the smallest: those that are small, and the next one if these are too few together.
segments as (
    select
        segment,
        case
            when
                sum(users) < {{ min_cell }}
                or sum(sum(users)) over (
                    order by sum(users), segment collate "C"
                    rows between unbounded preceding and 1 preceding
                ) < {{ min_cell }}
                then 'other'
            else segment
        end as shown_segment
    from best
    group by segment
),

cells as (
    select
        shown_segment as segment,
        transaction_category,
        sum(users) as users,
        sum(score) as score,
        sum(support) as support
    from best
    inner join segments using (segment)
    group by shown_segment, transaction_category
),

-- A category whose name is other belongs to other from the start.
shown as (
    select
        segment,
        case
            when
                users < {{ min_cell }}
                or sum(users) over (
                    partition by segment
                    order by
                        transaction_category <> 'other', users, transaction_category collate "C"
                    rows between unbounded preceding and 1 preceding
                ) < {{ min_cell }}
                then 'other'
            else transaction_category
        end as transaction_category,
        users, score, support
    from cells
)

select
    segment,
    transaction_category,
    row_number() over (
        partition by segment
        order by
            transaction_category = 'other', sum(users) desc, transaction_category collate "C"
    ) as rank,
    sum(users) as users,
    trim_scale(round(sum(score) / sum(users), 6)) as score,
    trim_scale(round(sum(support) / sum(users), 6)) as support
from shown
group by segment, transaction_category;
