"""Results to keep: what runs and studies measured as small files, and the page of them beside what was published."""
