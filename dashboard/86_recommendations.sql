-- Recommendations
-- Question: Which category should each segment be offered next?
-- Meaning:  Users of a segment by the category, not used yet, that similar users like best. Score
--           is how strongly their habits point to it, support how many users of the model's sample
--           share both categories. Groups of fewer than five users are in other. The five first
--           choices of each segment, the very first ones on top.
-- Width:    half
-- Columns:
--     place: Choice
--     segment: Segment, text
--     transaction_category: Offer, text
--     users: Users, number, bar
--     score: Mean score, decimal
--     support: Mean support, number

select
    rank as place,
    segment,
    transaction_category,
    users,
    score,
    support
from reporting.category_recommendations
where rank <= 5
order by rank, segment collate "C";
