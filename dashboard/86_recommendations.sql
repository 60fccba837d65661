-- Recommendations
-- Question: Which category should each segment be offered next?
-- Meaning:  For each segment, its users by the category that they have not used yet and that
--           similar users like best. Share is of all users of the segment with an offer; those
--           whose best category only few others share are in no row. Score is how strongly their
--           habits point to the category, support how many users of the model's sample use both it
--           and the category that led to it. The first five choices of each segment, the first
--           choices on top.
-- Empty:    No category can be offered: users have used all that similar users like, or too few
--           would be offered the same.
-- Width:    half
-- Columns:
--     segment: Segment, name
--     place: Choice
--     transaction_category: Offer, name
--     users: Users, number
--     share: Share, percent, bar
--     score: Mean score, decimal
--     support: Mean support, number

with shares as (
    select
        recommendations.segment,
        recommendations.rank as place,
        recommendations.transaction_category,
        recommendations.users,
        round(
            recommendations.users
            / sum(recommendations.users) over (partition by recommendations.segment),
            6
        ) as share,
        recommendations.score,
        recommendations.support
    from reporting.category_recommendations as recommendations
)

-- Nobody can be offered "other".
select
    segment,
    place,
    transaction_category,
    users,
    share,
    score,
    support
from shares
where place <= 5 and transaction_category <> 'other'
order by place, users desc, segment collate "C";
