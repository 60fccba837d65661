-- warehouse.agg_category_recommendations
-- Grain: one row per user and category never used (user_id, transaction_category), at most five.
-- Rerun: changed keys; users with a changed category, and everybody when the model is another one
--        than in warehouse.agg_category_recommendations_basis.
-- Why:   what to offer whom, and because of what.

-- Waived: union, of users alone: 1 GB is fifty million.
with due as materialized (
    select user_id from {{ warehouse }}.changed_user_categories
    union
    select user_id
    from {{ warehouse }}.dim_users
    where
        not exists (
            select 1 from {{ state }}
            inner join {{ warehouse }}.model_category_similarities using (fitted_on)
        )
),

gone as (
    delete from {{ this }}
    where user_id in (select user_id from due)
    returning user_id
),

-- Names in their order, as numbers; fifty in a row are a block.
categories as materialized (
    select
        transaction_category,
        number,
        number / 50 as block,
        1 + number % 50 as place
    from (
        select
            transaction_category,
            (row_number() over (order by transaction_category collate "C"))::integer as number
        from (
            select distinct transaction_category from {{ warehouse }}.model_category_similarities
        ) as known
    ) as numbered
),

-- In whole millionths. What a user uses is not offered: no other score is as high as its own.
similarities as materialized (
    select
        one.number,
        other.number as other_number,
        other.block,
        other.place,
        users,
        (1000000 * similarity)::bigint as similarity
    from {{ warehouse }}.model_category_similarities
    inner join categories as one using (transaction_category)
    inner join categories as other on other.transaction_category = similar_category
    union all
    select
        number,
        number as other_number,
        block,
        place,
        null as users,
        1000000000000 as similarity
    from categories
),

related as materialized (
    select distinct number, block
    from similarities
),

-- How alike a category is to each of a block: as an array, and side by side in one long number,
-- twenty digits each. A product and a sum of such numbers are those of fifty categories.
lines as materialized (
    select
        transaction_category,
        number,
        block,
        array_agg(coalesce(similarity, 0) order by place) as line_similarities,
        string_agg(lpad(coalesce(similarity, 0)::text, 20, '0'), '' order by place)::numeric as line
    from related
    cross join generate_series(1, 50) as places (place)
    left join similarities using (number, block, place)
    inner join (select number, transaction_category from categories) as names using (number)
    group by transaction_category, number, block
),

-- User by user, so that a build of few reads few.
totals as (
    select user_id, block, total, numbers, affinities, similarities
    from due
    cross join lateral (
        select
            block,
            sum((1000000 * affinity)::bigint * line) + repeat('00000000000000500000', 50)::numeric
                as total,
            array_agg(number) as numbers,
            array_agg((1000000 * affinity)::bigint) as affinities,
            array_agg(line_similarities) as similarities
        from {{ warehouse }}.agg_user_categories as used
        inner join lines using (transaction_category)
        where used.user_id = due.user_id
        group by used.user_id, block
    ) as totals
),

-- The best five of each block. Half a millionth is added to all scores, and the digits beyond are
-- cut off. The reason is what contributes most, of equal ones the first by name: both in one
-- number, whose last 17 bits say which.
scores as (
    select
        user_id,
        50 * block + place - 1 as other_number,
        score,
        reason_number
    from totals
    cross join lateral (
        with digits as materialized (
            select convert_to(lpad(total::text, 1000, '0'), 'UTF8') as digits
        ),

        of_places as materialized (
            select
                place,
                convert_from(substr(digits, 20 * place - 19, 14), 'UTF8')::bigint as score
            from digits
            cross join generate_series(1, 50) as places (place)
        )

        select place, score
        from of_places
        where score between 1 and 99999999999
        order by score desc, place
        limit 5
    ) as best
    cross join lateral (
        select
            131071 - max(affinity * similarities[i][place] * 131072 + 131071 - number) % 131072
                as reason_number
        from unnest(numbers, affinities) with ordinality as used (number, affinity, i)
    ) as reasons
),

ranked as (
    select *, row_number() over (partition by user_id order by score desc, other_number) as rank
    from scores
)

insert into {{ this }} (user_id, transaction_category, rank, reason, support, score)
select
    user_id,
    offered.transaction_category,
    rank,
    used.transaction_category as reason,
    similarities.users as support,
    trim_scale(score * 0.000001) as score
from ranked
inner join similarities
    on
        similarities.number = ranked.reason_number
        and similarities.other_number = ranked.other_number
inner join categories as used on used.number = ranked.reason_number
inner join categories as offered on offered.number = ranked.other_number
where
    rank <= 5
    -- The old rows must be out before the new ones go in: counting them makes it so.
    and (select count(*) from gone) >= 0;

delete from {{ state }};

insert into {{ state }} (fitted_on)
select distinct fitted_on
from {{ warehouse }}.model_category_similarities;
