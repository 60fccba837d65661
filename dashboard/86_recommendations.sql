-- Recommendations
-- Question: Which category should each segment be offered next?
-- Meaning:  Users of a segment by the category, not used yet, that similar users like best. Score
--           is how strongly their habits point to it, support how many users share both
--           categories. Groups of fewer than five users are in other. The five first choices of each
--           segment, the very first ones on top.
-- Width:    half
-- Columns:
--     place: Choice
--     segment: Segment, text
--     transaction_category: Offer, text
--     users: Users, number, bar
--     score: Mean score, decimal
--     support: Mean support, number

with ranked as (
    select
        recommendations.segment,
        recommendations.transaction_category,
        recommendations.users,
        recommendations.score,
        recommendations.support,
        row_number() over (
            partition by recommendations.segment
            order by recommendations.users desc, recommendations.transaction_category collate "C"
        ) as place
    from reporting.category_recommendations as recommendations
)

select
    ranked.place,
    ranked.segment,
    ranked.transaction_category,
    ranked.users,
    ranked.score,
    ranked.support
from ranked
where ranked.place <= 5
order by ranked.place, ranked.segment collate "C";
