-- Recommendations
-- Question: Which category should each segment be offered next?
-- Meaning:  Users of a segment by the category, not used yet, that similar users like best. The
--           share is of all users with an offer, and those whose best category few others share
--           appear in no row. Score is how strongly habits point to it, support how many users of
--           the model's sample share both categories. The five first choices of each segment, the
--           very first ones on top.
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
