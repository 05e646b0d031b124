"""The chapter's usage example of PromptEngineer, up to the prints."""

from sensorium import PromptEngineer

# 使用示例
engineer = PromptEngineer()

prompt = engineer.build_prompt(
    subject="a cat sitting on a window sill",
    style="realistic",
    details=["fluffy fur", "green eyes"],
    lighting="golden hour lighting, warm tones",
    camera="shot on Canon EOS, shallow depth of field",
)

negative = engineer.get_negative_prompt(additional=["cartoon", "painting"])

print(f"Prompt: {prompt}")
print(f"Negative: {negative}")
