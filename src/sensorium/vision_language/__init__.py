"""Pictures and words: similarity, facts about pictures, questions and conversations about them."""
