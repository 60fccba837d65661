-- Miles and rewards
-- Question: Who comes, who stays, and where do the miles go?
-- Meaning:  The members that Show offers, and of which the file holds figures: those that have been
--           seen with at least as many users as min_cell says, in sql/manifest.toml. A smaller
--           group could tell of a person.
-- Currency: SGD

select
    growth.slice,
    growth.slice_value,
    sum(growth.new_users) as users
from reporting.growth_accounting as growth
where growth.grain = 'month'
group by growth.slice, growth.slice_value
order by growth.slice, growth.slice_value collate "C";
