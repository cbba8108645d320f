//! Templates and Markdown dialects: from a template and values to the text a platform shows.
