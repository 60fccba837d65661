-- Publish: what {{ gone }} holds goes, what {{ come }} holds comes.
-- Readers see it when the build commits.
delete from {{ live }} as stored
using {{ gone }} as gone
where {{ is_same_key }};

insert into {{ live }} ({{ columns }})
select {{ columns }}
from {{ come }} as come
order by {{ keys }}
on conflict ({{ keys }}) do {{ action }};
