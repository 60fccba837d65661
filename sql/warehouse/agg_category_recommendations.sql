-- warehouse.agg_category_recommendations
-- Grain: one row per user and category never used (user_id, transaction_category), at most five.
-- Rerun: changed keys; users with a changed category, and everybody when the model is another one
--        than in warehouse.agg_category_recommendations_basis.
-- Why:   what to offer whom, and because of what.

with due as materialized (
    select
        user_id,
        row_number() over () as person
    from (
        select user_id from {{ warehouse }}.changed_user_categories
        union
        select user_id
        from {{ warehouse }}.dim_users
        where
            not exists (
                select from {{ state }}
                inner join {{ warehouse }}.model_category_similarities using (fitted_on)
            )
    ) as users
),

gone as (
    delete from {{ this }}
    where user_id in (select user_id from due)
    returning user_id
),

-- Names in their order, as numbers: these are joined and sorted faster.
categories as materialized (
    select
        transaction_category,
        row_number() over (order by transaction_category collate "C") as number
    from (
        select distinct transaction_category from {{ warehouse }}.model_category_similarities
    ) as known
),

-- Whole millionths in double precision: their sums are exact, and quick. What a user uses is not
-- offered: next to itself a category makes the score infinitely low.
similarities as materialized (
    select
        categories.number,
        other.number as other_number,
        users,
        (1000000 * similarity)::double precision as similarity
    from {{ warehouse }}.model_category_similarities
    inner join categories using (transaction_category)
    inner join categories as other on other.transaction_category = similar_category
    union all
    select
        number,
        number as other_number,
        null as users,
        '-infinity' as similarity
    from categories
),

-- Eight categories in a row, as an array: a user's scores are added up in an eighth of the steps.
blocks as materialized (
    select
        number,
        block,
        array_agg(coalesce(similarity, 0) order by other_number) as block_similarities
    from (
        select distinct
            pairs.number,
            pairs.other_number / 8 as block,
            8 * (pairs.other_number / 8) + place as other_number
        from similarities as pairs
        cross join unnest(array[0, 1, 2, 3, 4, 5, 6, 7]) as places (place)
    ) as related
    left join similarities using (number, other_number)
    group by number, block
),

-- Users are looked up one by one, so that a build of few reads few.
used as materialized (
    select
        person,
        number,
        (1000000 * affinity)::double precision as affinity
    from due
    cross join lateral (
        select transaction_category, affinity
        from {{ warehouse }}.agg_user_categories as user_categories
        where user_categories.user_id = due.user_id
        order by transaction_category
    ) as looked_up
    inner join categories using (transaction_category)
),

scores as (
    select
        person,
        block,
        array[
            sum(affinity * block_similarities[1]), sum(affinity * block_similarities[2]),
            sum(affinity * block_similarities[3]), sum(affinity * block_similarities[4]),
            sum(affinity * block_similarities[5]), sum(affinity * block_similarities[6]),
            sum(affinity * block_similarities[7]), sum(affinity * block_similarities[8])
        ] as block_scores
    from used
    inner join blocks using (number)
    group by person, block
),

-- Scores in millionths, rounded as numbers with six digits are.
ranked as (
    select
        person,
        other_number,
        score,
        row_number() over (partition by person order by score desc, other_number) as rank
    from scores
    cross join lateral (
        select
            8 * block + place - 1 as other_number,
            (score::bigint + 500000) / 1000000 as score
        from unnest(block_scores) with ordinality as places (score, place)
        where score >= 500000
    ) as positive
),

candidates as materialized (
    select person, other_number, rank, score, number, affinity
    from ranked
    inner join used using (person)
    where rank <= 5
),

-- The reason is what contributes most, of equal ones the first by name: both in one number, whose
-- last 17 bits say which.
reasons as (
    select
        person,
        other_number,
        rank,
        score,
        131071 - max((similarity * affinity)::bigint * 131072 + 131071 - number) % 131072 as number
    from candidates
    inner join similarities using (number, other_number)
    group by person, other_number, rank, score
)

insert into {{ this }} (user_id, transaction_category, rank, reason, support, score)
select
    user_id,
    offered.transaction_category,
    rank,
    used.transaction_category as reason,
    similarities.users as support,
    trim_scale(score * 0.000001) as score
from reasons
inner join due using (person)
inner join similarities using (number, other_number)
inner join categories as used using (number)
inner join categories as offered on offered.number = other_number
-- The old rows must be out before the new ones go in: counting them makes it so.
where (select count(*) from gone) >= 0;

delete from {{ state }};

insert into {{ state }} (fitted_on)
select distinct fitted_on
from {{ warehouse }}.model_category_similarities;
