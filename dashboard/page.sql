-- Miles and rewards
-- Question: Who comes, who stays, and where do the miles go?
-- Meaning:  The members that Segment offers, and of which the file holds figures: those that five
--           users or more have been seen with. A smaller group could tell of a person.

select
    growth.slice,
    growth.slice_value
from reporting.growth_accounting as growth
where growth.grain = 'month'
group by growth.slice, growth.slice_value
having sum(growth.new_users) >= 5
order by growth.slice, growth.slice_value collate "C";
