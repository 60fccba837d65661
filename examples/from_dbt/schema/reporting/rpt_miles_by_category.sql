create table if not exists {{ reporting }}.rpt_miles_by_category (
    direction text not null,
    transaction_category text not null,
    events bigint not null,
    users bigint not null,
    miles numeric not null,
    constraint rpt_miles_by_category_key primary key (direction, transaction_category)
);

comment on table {{ reporting }}.rpt_miles_by_category is
'Miles earned and redeemed. One row per direction and category.';
